//! Does an act on the real resource, and looks at what came of it.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use strongroom::document::Header;
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    EnableCmk, OnKeyLoss, OpenRequest, Protection, Scope, SealRequest,
};

use crate::acts::{Act, SHRED_GRACE};
use crate::history::{Document, History, Opened};
use crate::reference::{Cause, Kind, State};
use crate::world::{IDENTITY, TENANT, new_resource, poll, refusal, result};

/// A resource as another process finds it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub state: State,
    pub number: u64,
    /// Time from which the keys may be destroyed.
    pub due: Option<u64>,
    /// Time at which it was deleted.
    pub deleted: Option<u64>,
}

impl History<'_> {
    /// Runs a call until it is done, or the process ends.
    fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = Box::pin(future);
        for _step in 0..10_000 {
            if let Poll::Ready(value) = poll(future.as_mut()) {
                return Some(value);
            }
            if self.script().crash {
                return None;
            }
            self.world.clock.advance_to_next(Duration::from_secs(1));
        }
        panic!("it waits for ever");
    }

    /// The resource as another process finds it, which records what it finds.
    pub fn look(&mut self) -> Result<Seen, String> {
        let other = self.process();
        let seen = other
            .and_then(|other| self.outside(|world| world.run(other.status(&world.id))))
            .map_err(|error| format!("the state does not load: {error}"))?;
        if let Some(trail) = &mut self.trail {
            trail.learn(seen.number);
        }
        let cmk = &self.vaults.ids;
        let now = State::observed(&seen, |id| {
            cmk.iter().position(|known| known.to_string() == id).unwrap()
        });
        let (due, deleted) = match &seen.protection {
            Protection::ShredPending { due, since, .. } => {
                let deleted = now.kind == Kind::Pending(Cause::ResourceDeleted);
                (Some(*due), deleted.then_some(*since))
            }
            _ => (None, None),
        };
        Ok(Seen { state: now, number: seen.number, due, deleted })
    }

    /// Does it: `None` where the process ended meanwhile.
    pub fn perform(&mut self, act: &Act) -> Result<Option<Result<(), Error>>, String> {
        let (resources, id) = (self.world.resources.clone(), self.world.id.clone());
        let unix = self.world.clock.unix_time();
        Ok(match act {
            Act::Seal { result: is_result, hours } => {
                let expires_at = hours.map(|hours| unix + 3600 * u64::from(hours));
                let kind = if *is_result { result() } else { SealRequest::default() };
                let request = kind.expiring_at(expires_at);
                let expires_at = expires_at.or(is_result.then_some(unix + 24 * 3600));
                match self.run(resources.seal(&id, b"text", &request)) {
                    Some(Ok(sealed)) => {
                        self.documents.push(Document { sealed, expires_at });
                        Some(Ok(()))
                    }
                    other => other.map(|refused| refused.map(|_| ()).map_err(refusal)),
                }
            }
            Act::Open(n) => {
                let Some(document) = self.documents.get(n % self.documents.len().max(1)) else {
                    return Ok(Some(Err(Error::NotFound { resource: id })));
                };
                let header = Header::parse(&document.sealed).unwrap();
                match self.run(resources.opener(&id, &header, &OpenRequest::default())) {
                    Some(Ok(opener)) => {
                        let sealed = document.sealed.clone();
                        let customer = format!("{:?}", opener.lease()).contains("Customer");
                        let opened = Opened { opener, sealed, customer };
                        if !opened.reads()? {
                            return Err("a document that was just opened is not read".to_owned());
                        }
                        self.opened.push(opened);
                        Some(Ok(()))
                    }
                    other => other.map(|refused| refused.map(|_| ()).map_err(refusal)),
                }
            }
            Act::Enable { key, all, shred, .. } => {
                let scope = if *all { Scope::ModelsAndResults } else { Scope::Models };
                let on_key_loss = if *shred {
                    OnKeyLoss::CryptoShred { grace: SHRED_GRACE }
                } else {
                    OnKeyLoss::Block
                };
                let key = EnableCmk::new(self.vaults.ids[*key].clone(), IDENTITY);
                self.run(resources.enable_cmk(&id, &EnableCmk { scope, on_key_loss, ..key }))
            }
            Act::Disable => self.run(resources.disable_cmk(&id)),
            Act::Rotate { to, .. } => self.run(resources.rotate_cmk(&id, &self.vaults.ids[*to])),
            Act::RotateResourceKey => self.run(resources.rotate_resource_key(&id)),
            Act::RotateServiceKey => {
                self.world.service_keys.create_aes("service-key").unwrap();
                self.run(resources.rotate_service_key()).map(|done| done.map(|_| ()))
            }
            Act::Revoke => self.run(resources.revoke_now(&id)),
            Act::Refresh => self.run(resources.refresh(&id)),
            Act::IdentityDisabled => self.run(resources.identity_disabled(&id)),
            Act::Move { away } => {
                let tenant = if *away { "fabrikam" } else { TENANT };
                self.run(resources.moved_to_tenant(&id, tenant))
            }
            Act::Delete => self.run(resources.resource_deleted(&id)),
            Act::Restore => self.run(resources.resource_restored(&id)),
            Act::ShredDue => self.run(resources.shred_due(unix)).map(|outcomes| {
                outcomes.and_then(|all| all.into_iter().try_for_each(|(_, outcome)| outcome))
            }),
            Act::Sweep => self.run(resources.sweep(unix)).map(|swept| swept.map(|_| ())),
            Act::CreateAgain => self.run(resources.create(new_resource(&id))),
            other => panic!("{other:?} is no call"),
        })
    }
}
