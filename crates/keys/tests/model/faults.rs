//! Answers of the vaults: as the customer's keys permit, or as a fault has it; and a note of each answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;
use strongroom_keys::VaultError;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::Cause;
use strongroom_keys::testing::{Call, Fault, FaultyVault, ManualClock, MemoryVault, Operation};
use strongroom_keys::vault::{DeniedReason, KeyDescription, KeyName, Place, Vault, VersionedKeyId};

use crate::acts::Bad;
use crate::copies::{Directory, KEYS, Location, NEW, Vaults};
use crate::tally::Tally;
use crate::trails::Trail;
use crate::world::{Keys, World};

/// Request to a vault, with its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub customer: bool,
    /// The location of the customer's vault.
    pub location: Option<Location>,
    pub operation: Operation,
    /// The customer's key that it was about.
    pub key: Option<usize>,
    pub at: Duration,
    pub said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Answer,
    /// About this very key, by the customer's vault.
    Refused(DeniedReason),
    Bad(Bad),
}

/// Plan for requests, and the record of them.
#[derive(Debug)]
pub struct Script {
    pub vaults: Vaults,
    /// From now on the customer's vault does this to every request.
    pub outage: Option<Bad>,
    /// This one request meets that.
    pub once: Option<(bool, usize, Bad)>,
    requests: [usize; 2],
    asked: Vec<Asked>,
    /// Some of it was not the customer's doing.
    injected: bool,
    /// The process ended in the middle of a request.
    pub crash: bool,
    /// A look from outside: nothing goes wrong and nothing is noted.
    pub paused: bool,
}

impl Script {
    pub fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            vaults: [NEW; 2],
            outage: None,
            once: None,
            requests: [0; 2],
            asked: Vec::new(),
            injected: false,
            crash: false,
            paused: false,
        }))
    }

    /// Begins another operation, with trouble at one of its requests.
    pub fn begin(&mut self, once: Option<(bool, usize, Bad)>) {
        (self.requests, self.injected, self.crash, self.once) = ([0; 2], false, false, once);
        self.asked.clear();
    }

    /// Ends it: what was asked, and whether some of it met a fault.
    pub fn end(&mut self, tally: &mut Tally) -> (Vec<Asked>, bool) {
        self.once = None;
        for one in &self.asked {
            if let Said::Bad(_) | Said::Refused(_) = one.said {
                let vault = if one.customer { "customer" } else { "service" };
                let (operation, said) = (one.operation, one.said);
                tally.note("request refused", &format!("{vault} {operation:?}"));
                tally.note("fault", &format!("{vault} {said:?}"));
            }
        }
        (std::mem::take(&mut self.asked), self.injected)
    }

    fn decide(
        &mut self,
        location: Option<Location>,
        key: Option<usize>,
        call: &Call,
        at: Duration,
    ) -> Fault {
        let customer = location.is_some();
        let keys = location.map(|location| self.vaults[location as usize]);
        let refusal = keys.zip(key).and_then(|(keys, key)| keys[key].refusal(call.operation));
        let by_the_keys = refusal.map_or(Fault::None, Fault::Refuse);
        if self.paused {
            return by_the_keys;
        }
        let request = self.requests[usize::from(customer)];
        self.requests[usize::from(customer)] += 1;
        let once = self.once.filter(|once| (once.0, once.1) == (customer, request));
        let bad = once.map(|once| once.2).or(self.outage.filter(|_| customer));
        let (said, fault) = match bad {
            None => (refusal.map_or(Said::Answer, Said::Refused), by_the_keys),
            Some(Bad::Refuse(reason)) if key.is_some() && Cause::Vault(reason).is_key_loss() => {
                (Said::Refused(reason), Fault::Refuse(reason))
            }
            Some(bad) => (Said::Bad(bad), fault(bad)),
        };
        self.injected |= bad.is_some();
        self.crash |= bad == Some(Bad::Crash);
        self.asked.push(Asked { customer, location, operation: call.operation, key, at, said });
        fault
    }
}

fn fault(bad: Bad) -> Fault {
    match bad {
        Bad::Refuse(reason) => Fault::Refuse(reason),
        Bad::OtherKey => {
            let other = VersionedKeyId::parse("memory/customer/another/1").unwrap();
            Fault::RefuseOther(DeniedReason::KeyMissing, other)
        }
        Bad::Throttle(after) => Fault::Throttle(after.map(Duration::from_secs)),
        Bad::Fail => Fault::Fail,
        Bad::Invalid => Fault::Invalid,
        Bad::Hang | Bad::Crash => Fault::Hang,
        Bad::LoseAnswer => Fault::LoseAnswer,
    }
}

/// A service with one resource, and what is around it.
pub struct Rig {
    pub world: World,
    pub vaults: Arc<Directory>,
    pub trail: Option<Trail>,
}

/// A resource, a service's vault and a customer's with its copy, that answer as `script` says; with a trail on a disk
/// that has so many lines, or one in memory.
pub fn rig(script: &Arc<Mutex<Script>>, lines: Option<usize>) -> Rig {
    // The customer's RSA keys serve every history: reading one proves anew that its factors are prime.
    static CUSTOMER: OnceLock<(Arc<MemoryVault>, [VersionedKeyId; KEYS])> = OnceLock::new();
    let (customer_keys, ids) = CUSTOMER.get_or_init(|| {
        let keys = Keys::in_memory();
        let own = [(); 2].map(|()| keys.customer_keys.create_rsa("documents").unwrap());
        let ids = keys.cmk.into_iter().chain(own).collect::<Vec<_>>();
        (keys.customer_keys, ids.try_into().unwrap())
    });
    let payloads = Arc::default();
    let customer = |location| -> Arc<dyn Vault> {
        Arc::new(CustomerVault {
            keys: Arc::clone(customer_keys),
            ids: ids.clone(),
            location,
            script: Arc::clone(script),
            payloads: Arc::clone(&payloads),
        })
    };
    let service_keys = Arc::new(MemoryVault::new("memory/service"));
    service_keys.create_aes("service-key").unwrap();
    let keys = Keys {
        clock: Arc::default(),
        service: Arc::clone(&service_keys) as _,
        customer: customer(Location::Original),
        service_keys,
        customer_keys: Arc::clone(customer_keys),
        cmk: ids.first_chunk().unwrap().clone(),
    };
    let vaults = [Location::Original, Location::Copy].map(|location| {
        let vault = Arc::new(FaultyVault::new(customer(location), Arc::clone(&keys.clock) as _));
        attach(&vault, Some(location), ids, &keys.clock, script);
        vault
    });
    let vaults = Arc::new(Directory::new(ids.clone(), vaults));
    let mut trail = lines.map(|_| Trail::new());
    let world = World::over(&keys, |config| {
        let config = config.with_vaults(Arc::clone(&vaults) as _);
        trail.as_ref().map_or(config.clone(), |trail| config.with_audit(trail.sink()))
    });
    attach(&world.service, None, ids, &world.clock, script);
    if let (Some(trail), Some(lines)) = (&mut trail, lines) {
        trail.begin(lines);
    }
    Rig { world, vaults, trail }
}

fn attach(
    vault: &FaultyVault,
    location: Option<Location>,
    ids: &[VersionedKeyId; KEYS],
    clock: &Arc<ManualClock>,
    script: &Arc<Mutex<Script>>,
) {
    let (script, clock, ids) = (Arc::clone(script), Arc::clone(clock), ids.clone());
    vault.decide(move |call| {
        let key = ids.iter().position(|id| call.key.as_ref() == Some(id));
        script.lock().unwrap().decide(location, key, call, clock.elapsed())
    });
}

/// Wrapped payloads, by the key and the wrapped bytes.
type Payloads = HashMap<(VersionedKeyId, Vec<u8>), Vec<u8>>;

/// The customer's keys at one location. Whether they may be used is the script's to say. What they wrapped is remembered
/// for the history, so that RSA, which is most of its time, works in one direction only.
#[derive(Debug)]
struct CustomerVault {
    keys: Arc<MemoryVault>,
    ids: [VersionedKeyId; KEYS],
    location: Location,
    script: Arc<Mutex<Script>>,
    payloads: Arc<Mutex<Payloads>>,
}

#[async_trait]
impl Vault for CustomerVault {
    fn id(&self) -> &str {
        self.keys.id()
    }

    fn place(&self) -> Place {
        self.keys.place()
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        self.keys.newest(name).await
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        let mut description = self.keys.describe(id).await?;
        if let Some(key) = self.ids.iter().position(|known| known == id) {
            description.enabled =
                self.script.lock().unwrap().vaults[self.location as usize][key].enabled;
        }
        Ok(description)
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let wrapped = self.keys.wrap(id, algorithm, payload).await?;
        let known = (id.clone(), wrapped.clone());
        self.payloads.lock().unwrap().insert(known, payload.to_vec());
        Ok(wrapped)
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        let known = (id.clone(), wrapped.to_vec());
        let payload = self.payloads.lock().unwrap().get(&known).cloned();
        match payload {
            Some(payload) => Ok(SecretVec::from(payload)),
            None => self.keys.unwrap(id, algorithm, wrapped).await,
        }
    }
}
