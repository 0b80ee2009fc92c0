//! Plays a history on a real resource; `checks` holds every step against the reference.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use strongroom::document::Header;
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    DocumentError, EnableCmk, LeasedOpener, OnKeyLoss, OpenRequest, Protection, Scope, SealRequest,
};
use strongroom_keys::testing::Operation;
use strongroom_keys::vault::DeniedReason;

use crate::acts::{Act, Bad, KeyChange, SHRED_GRACE, Step, Trouble};
use crate::checks::Taken;
use crate::faults::{self, Asked, Said, Script};
use crate::reference::{Cause, Closing, Key, Kind, State};
use crate::tally::{Tally, variant};
use crate::world::{IDENTITY, TENANT, World, new_resource, poll, refusal, result};

/// `Err` says where the resource and the reference differ.
pub type Checked = Result<(), String>;

pub struct Document {
    pub sealed: Vec<u8>,
    pub expires_at: Option<u64>,
}

/// An open document.
pub struct Opened {
    opener: LeasedOpener,
    sealed: Vec<u8>,
    /// True where the customer's keys are part of it.
    pub customer: bool,
}

impl Opened {
    /// Reads the document, which must then be the one that was sealed; false where its lease refuses.
    pub fn reads(&self) -> Result<bool, String> {
        match self.opener.open_slice(&self.sealed) {
            Ok(text) if text == b"text" => Ok(true),
            Err(DocumentError::Resource(_)) => Ok(false),
            other => Err(format!("with the resource's keys a document opens as {other:?}")),
        }
    }
}

pub struct History<'t> {
    pub world: World,
    script: Arc<Mutex<Script>>,
    pub state: State,
    /// Events that took access away, which this process heeds and could not write.
    pub unwritten: Vec<Closing>,
    /// True where it has seen the resource.
    pub knows: bool,
    /// Time from which the keys may be destroyed.
    pub due: Option<u64>,
    /// Time at which the resource was deleted.
    pub deleted: Option<u64>,
    pub documents: Vec<Document>,
    pub opened: Vec<Opened>,
    /// Epoch of each customer key.
    pub epochs: BTreeMap<String, u64>,
    /// Times at which this process last had an answer to an unwrap: service, customer.
    pub unwrapped: [Option<Duration>; 2],
    /// Time until which the process may leave a vault alone.
    troubled_until: Duration,
    /// Time at which the customer's vault ceased to know the identity.
    identity_since: Option<Duration>,
    pub tally: &'t mut Tally,
}

impl<'t> History<'t> {
    pub fn new(tally: &'t mut Tally) -> Self {
        let script = Script::new();
        let world = faults::world(&script);
        let now = world.clock.elapsed();
        Self {
            world,
            script,
            state: State::NEW,
            unwritten: Vec::new(),
            knows: true,
            due: None,
            deleted: None,
            documents: Vec::new(),
            opened: Vec::new(),
            epochs: BTreeMap::new(),
            unwrapped: [Some(now), None],
            troubled_until: Duration::ZERO,
            identity_since: None,
            tally,
        }
    }

    pub fn play(mut self, steps: &[Step]) -> Checked {
        for (number, step) in steps.iter().enumerate() {
            self.step(step).map_err(|wrong| {
                let (state, unwritten) = (self.state, &self.unwritten);
                format!(
                    "step {number}, {step:?}: {wrong}; before: {state:?}, unwritten: {unwritten:?}"
                )
            })?;
        }
        self.end().map_err(|wrong| format!("at the end: {wrong}; {:?}", self.state))?;
        self.tally.note("history", "");
        Ok(())
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// The state that this process acts by, where some of it is unwritten.
    pub fn heeded(&self) -> Option<State> {
        self.on_the_way().last().copied()
    }

    /// The states from the written one to that which this process acts by.
    pub fn on_the_way(&self) -> Vec<State> {
        let states = self.unwritten.iter().scan(self.state, |state, closing| {
            *state = state.closed_by(*closing);
            Some(*state)
        });
        states.collect()
    }

    /// Looks without touching: nothing goes wrong meanwhile.
    pub fn outside<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.script().paused = true;
        let seen = look(&self.world);
        self.script().paused = false;
        seen
    }

    fn restart(&mut self) {
        let again = self.outside(World::restart);
        self.opened.clear();
        self.world.resources = again;
        self.unwritten.clear();
        self.knows = false;
        self.unwrapped = [None; 2];
        self.troubled_until = Duration::ZERO;
        self.identity_since = None;
    }

    fn step(&mut self, step: &Step) -> Checked {
        self.tally.note("step", &variant(&step.act));
        match &step.act {
            Act::Pass(seconds) => self.world.clock.advance(Duration::from_secs(*seconds)),
            Act::Restart => self.restart(),
            Act::KeyChange(key, change) => self.change_key(*key, *change),
            Act::Outage(bad) => self.script().outage = Some(*bad),
            Act::Back => self.script().outage = None,
            Act::AllWell => self.all_well(),
            Act::Tamper(tamper) => self.tamper(*tamper)?,
            act => self.act(act, step.trouble)?,
        }
        self.check_opened()
    }

    fn change_key(&self, key: usize, change: KeyChange) {
        let known = &mut self.script().keys[key];
        match change {
            KeyChange::Enabled(enabled) => known.enabled = enabled,
            KeyChange::Deleted(deleted) => known.deleted = deleted,
            KeyChange::Granted(granted) => known.granted = granted,
        }
    }

    fn all_well(&self) {
        let mut script = self.script();
        script.outage = None;
        script.keys = [Key::FINE; 3];
    }

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

    fn act(&mut self, act: &Act, trouble: Trouble) -> Checked {
        let once = match trouble {
            Trouble::Vault { customer, request, bad } => Some((customer, request, bad)),
            _ => None,
        };
        self.script().begin(once);
        let store = Arc::clone(&self.world.store);
        match trouble {
            Trouble::StoreAfter { changes, .. } => store.fail_after(Some(changes)),
            Trouble::StoreDown => store.fail(true),
            Trouble::AuditDown => self.world.audit.fail(true),
            Trouble::None | Trouble::Vault { .. } => {}
        }
        let start = self.world.clock.elapsed();
        let began = self.world.clock.unix_time();
        let mut done = self.perform(act)?;
        store.fail(false);
        store.fail_after(None);
        self.world.audit.fail(false);
        let (asked, injected) = self.script.lock().unwrap().end(self.tally);
        let elsewhere = !matches!(trouble, Trouble::None | Trouble::Vault { .. });
        if elsewhere {
            self.tally.note("trouble", &variant(&trouble));
        }
        let troubled = injected || elsewhere;
        if troubled {
            self.tally.note("step in trouble", "");
        }
        if matches!(trouble, Trouble::StoreAfter { crash: true, .. }) {
            done = None;
        }
        let was_calm = start >= self.troubled_until;
        let identity_stood = self.identity_since;
        self.note(&asked, troubled);
        let outcome = match &done {
            Some(Ok(())) => "done",
            Some(Err(_)) => "refused",
            None => "crashed",
        };
        self.tally.note(outcome, &variant(act));
        if done.is_none() {
            let unwritten = self.unwritten.clone();
            self.restart();
            self.unwritten = unwritten; // it may have been written just before
        }

        let (now, due, deleted) = self.look()?;
        self.check_due(now, due, began)?;
        let step = Taken { act, asked: &asked, troubled, was_calm, start, identity_stood };
        self.check(&step, done.as_ref(), now)?;
        let refused = matches!(done, Some(Err(_)));
        self.note_unwritten(&step, refused, now)?;
        self.knows |= matches!(done, Some(Ok(())));
        let changed = now != self.state;
        (self.state, self.due, self.deleted) = (now, due, deleted);
        if changed {
            self.tally.note("state", &now.name());
        } else if !step.replaces_keys() {
            return Ok(());
        }
        if changed && step.is_document() && now.kind == Kind::Denied(Cause::IdentityDisabled) {
            self.tally.note("state", "closed by the identity's answers");
        }
        self.check_documents()
    }

    /// The state as another process finds it, and when its keys may be destroyed.
    fn look(&self) -> Result<(State, Option<u64>, Option<u64>), String> {
        let seen = self.outside(|world| world.run(world.restart().status(&world.id)));
        let seen = seen.map_err(|error| format!("the state does not load: {error}"))?;
        let cmk = &self.world.cmk;
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
        Ok((now, due, deleted))
    }

    /// Does it: `None` where the process ended meanwhile.
    fn perform(&mut self, act: &Act) -> Result<Option<Result<(), Error>>, String> {
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
            Act::Enable { key, all, shred } => {
                let scope = if *all { Scope::ModelsAndResults } else { Scope::Models };
                let on_key_loss = if *shred {
                    OnKeyLoss::CryptoShred { grace: SHRED_GRACE }
                } else {
                    OnKeyLoss::Block
                };
                let key = EnableCmk::new(self.world.cmk[*key].clone(), IDENTITY);
                self.run(resources.enable_cmk(&id, &EnableCmk { scope, on_key_loss, ..key }))
            }
            Act::Disable => self.run(resources.disable_cmk(&id)),
            Act::Rotate(to) => self.run(resources.rotate_cmk(&id, &self.world.cmk[*to])),
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

    /// Notes what this process heard.
    fn note(&mut self, asked: &[Asked], troubled: bool) {
        for one in asked {
            let unwraps = one.operation == Operation::UnwrapKey;
            let pause = match one.said {
                Said::Answer if unwraps => {
                    self.unwrapped[usize::from(one.customer)] = Some(one.at);
                    if one.customer {
                        self.identity_since = None;
                    }
                    0
                }
                Said::Bad(Bad::Refuse(reason)) => {
                    if one.customer && reason == DeniedReason::Identity {
                        self.identity_since.get_or_insert(one.at);
                    }
                    // A word about the service's own key is definite: it is heeded for the refresh time.
                    if one.customer { 3 } else { 61 }
                }
                Said::Bad(Bad::Throttle(Some(seconds))) => seconds + 2,
                Said::Bad(_) => 6,
                _ => 0,
            };
            let until = one.at + Duration::from_secs(pause);
            self.troubled_until = self.troubled_until.max(until);
        }
        if troubled {
            let until = self.world.clock.elapsed() + Duration::from_secs(2);
            self.troubled_until = self.troubled_until.max(until);
        }
    }

    /// Once all is well again, nothing is lost that was not shredded.
    fn end(&mut self) -> Checked {
        self.restart();
        self.all_well();
        if self.state.kind == Kind::Pending(Cause::ResourceDeleted) {
            self.act(&Act::Restore, Trouble::None)?;
        }
        if self.state.kind != Kind::Shredded {
            self.act(&Act::Move { away: false }, Trouble::None)?;
            self.act(&Act::Refresh, Trouble::None)?;
            if !self.state.is_open() {
                return Err("it stays closed".to_owned());
            }
            self.act(&Act::Enable { key: 0, all: true, shred: false }, Trouble::None)?;
            self.act(&Act::Seal { result: true, hours: None }, Trouble::None)?;
        }
        self.check_documents()
    }
}
