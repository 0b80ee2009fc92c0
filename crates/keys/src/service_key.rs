//! The service's own key: an AES-256 key in a vault of the service, in versions.
//!
//! It wraps the service root of every resource, and for each of its versions one random secret, from which
//! the key is derived that states are signed with. Those wrapped secrets are the object [`NAME`] of the
//! state store, signed itself with what its newest one gives.
//!
//! Rotating adds a version; then every resource is wrapped and signed under it, in any order and as often
//! as wanted. Earlier versions stay listed: a state that another process signed under one a moment ago
//! must still open. They are unwrapped only when such a state turns up, so that a version can be disabled
//! in its vault once a rotation reports that nothing depends on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strongroom::secret::{Secret, SecretVec};
use strongroom::wrap::Algorithm;

use crate::error::Error;
use crate::key_ring::{from_payload, payload};
use crate::state::{
    Created, KEPT, StateError, StateKey, StateStore, key_id_of, open as unverified, prune,
};
use crate::state_marks::{StateMarks, mark_of};
use crate::vault::{KeyName, Vault, VersionedKeyId};
use crate::vault_client::{BoundClient, Origin, SERVICE, Timed, VaultClient};
use strongroom_vault::hex;
use strongroom_vault::lock;

/// The object in the state store. No resource can have this name.
pub(crate) const NAME: &str = "_service";

/// The kind of a signing secret in what is wrapped; 1 to 3 and 5 are those of a resource's keys.
const KIND: u8 = 4;
const ID: &str = "service/state";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    key: VersionedKeyId,
    #[serde(with = "hex")]
    wrapped: Vec<u8>,
}

/// Every version of the service key that something may depend on, the newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    generations: Vec<Generation>,
    /// The ids of the audit trails of the hosts that use this store.
    #[serde(default)]
    trails: Vec<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Debug)]
pub(crate) struct ServiceKey {
    vault: Arc<dyn Vault>,
    name: KeyName,
    store: Arc<dyn StateStore>,
    client: Arc<VaultClient>,
    marks: Arc<StateMarks>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    number: u64,
    generations: Vec<Generation>,
    trails: Vec<String>,
    keys: BTreeMap<String, Arc<StateKey>>,
}

impl ServiceKey {
    pub(crate) fn new(
        vault: Arc<dyn Vault>,
        name: KeyName,
        store: Arc<dyn StateStore>,
        client: Arc<VaultClient>,
        marks: Arc<StateMarks>,
    ) -> Self {
        Self { vault, name, store, client, marks, held: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }

    /// True where the store has the service's state.
    pub(crate) async fn exists(&self) -> Result<bool, Error> {
        Ok(!self.store.list(NAME).await?.is_empty())
    }

    /// Takes the newest version of the key in the vault as the service's first.
    pub(crate) async fn init(&self, origin: Origin<'_>) -> Result<(), Error> {
        if self.exists().await? {
            let reason = "this store has a service key already: open it".to_owned();
            return Err(Error::Argument { reason });
        }
        self.add_generation(origin).await.map(|_| ())
    }

    /// Reads the newest record, and unwraps and verifies it where it is not known yet.
    pub(crate) async fn open(&self, origin: Origin<'_>) -> Result<(), Error> {
        loop {
            let number = self.store.list(NAME).await?.last().copied();
            let number = number.ok_or_else(|| StateError::Missing { name: NAME.to_owned() })?;
            self.marks.check_number(NAME, number)?;
            let seen = self.lock().number;
            if number < seen {
                let name = NAME.to_owned();
                return Err(StateError::RolledBack { name, seen, found: number }.into());
            }
            if number == seen {
                return Ok(());
            }
            // Pruned between the two calls: then there is a newer one.
            let Some(bytes) = self.store.read(NAME, number).await? else { continue };
            let (record, key) = self.verified(number, &bytes, origin).await?;
            let mark = mark_of(NAME, number, &bytes);
            self.marks.check(&*self.store, &mark).await?;
            self.marks.record(&mark, key.id(), None, origin).await?;
            self.hold(number, record, &key);
            return Ok(());
        }
    }

    /// The record in `bytes`, and the key that it is signed under.
    async fn verified(
        &self,
        number: u64,
        bytes: &[u8],
        origin: Origin<'_>,
    ) -> Result<(Record, Arc<StateKey>), Error> {
        let invalid = |reason: &str| StateError::Invalid {
            name: NAME.to_owned(),
            number,
            reason: reason.to_owned(),
        };
        let claimed: Record = unverified(bytes).ok_or_else(|| invalid("it is cut, or no state"))?;
        let newest = claimed.generations.last();
        let newest = newest.ok_or_else(|| invalid("it names no service key"))?;
        let key = self.unwrap_generation(newest, origin).await?;
        let record: Record = key.verify(NAME, number, bytes)?;
        Ok((record, key))
    }

    /// True where `bytes` are a record of this service, with this number.
    pub(crate) async fn holds(&self, number: u64, bytes: &[u8], origin: Origin<'_>) -> bool {
        self.verified(number, bytes, origin).await.is_ok()
    }

    fn hold(&self, number: u64, record: Record, key: &Arc<StateKey>) {
        let mut held = self.lock();
        if number > held.number {
            held.number = number;
            held.generations = record.generations;
            held.trails = record.trails;
        }
        held.keys.insert(key.id().to_owned(), Arc::clone(key));
    }

    /// The key that states are signed with under a version of the service key.
    async fn unwrap_generation(
        &self,
        generation: &Generation,
        origin: Origin<'_>,
    ) -> Result<Arc<StateKey>, Error> {
        let id = generation.key.to_string();
        if let Some(key) = self.lock().keys.get(&id) {
            return Ok(Arc::clone(key));
        }
        self.prove(generation, origin).await
    }

    /// The same from the vault, whatever is in memory: its id may name another key by now, and then
    /// nothing may be moved to it.
    async fn prove(
        &self,
        generation: &Generation,
        origin: Origin<'_>,
    ) -> Result<Arc<StateKey>, Error> {
        let id = generation.key.to_string();
        let secret = self.unwrap(&generation.key, &generation.wrapped, origin).await?.value;
        let secret = from_payload(KIND, ID, &secret).ok_or(Error::WrongKey { key: id.clone() })?;
        Ok(Arc::new(StateKey::derive(&id, &secret)))
    }

    /// Adds the newest version in the vault, unless it is the newest here; which one that is.
    pub(crate) async fn add_generation(&self, origin: Origin<'_>) -> Result<VersionedKeyId, Error> {
        loop {
            // Asked anew where another process was first: it may have added a later one.
            let newest = self.at(origin).newest(&self.name).await?.id;
            let (number, mut generations, trails) = {
                let held = self.lock();
                (held.number.saturating_add(1), held.generations.clone(), held.trails.clone())
            };
            if let Some(last) = generations.last()
                && last.key == newest
            {
                self.prove(last, origin).await?;
                return Ok(newest);
            }
            let (generation, key) =
                match generations.iter().position(|generation| generation.key == newest) {
                    // States are signed with its secret: it gets no other one.
                    Some(at) => {
                        let known = generations.remove(at);
                        let key = self.prove(&known, origin).await?;
                        (known, key)
                    }
                    None => self.new_generation(&newest, origin).await?,
                };
            generations.push(generation);
            let record = Record { generations, trails, unknown: Map::new() };
            if self.write(number, record, &key, origin).await? {
                return Ok(newest);
            }
            self.open(origin).await?;
        }
    }

    /// Writes the record `number`; false where another writer was first.
    async fn write(
        &self,
        number: u64,
        record: Record,
        key: &Arc<StateKey>,
        origin: Origin<'_>,
    ) -> Result<bool, Error> {
        let bytes = key.sign(NAME, number, &record)?;
        if self.store.create(NAME, number, &bytes).await? == Created::Exists {
            return Ok(false);
        }
        let mark = mark_of(NAME, number, &bytes);
        self.marks.record(&mark, key.id(), None, origin).await?;
        self.hold(number, record, key);
        prune(&*self.store, NAME, number, KEPT).await?;
        Ok(true)
    }

    /// Registers the audit trail of this host, unless it is.
    pub(crate) async fn register(&self, trail: &str, origin: Origin<'_>) -> Result<(), Error> {
        loop {
            let (number, generations, mut trails) = {
                let held = self.lock();
                (held.number.saturating_add(1), held.generations.clone(), held.trails.clone())
            };
            let Some(newest) = generations.last().cloned() else { return Ok(()) };
            if trails.iter().any(|known| known == trail) {
                return Ok(());
            }
            trails.push(trail.to_owned());
            let key = self.unwrap_generation(&newest, origin).await?;
            let record = Record { generations, trails, unknown: Map::new() };
            if self.write(number, record, &key, origin).await? {
                return Ok(());
            }
            self.open(origin).await?;
        }
    }

    /// Writes the newest record in a store that was rolled back, or written on from there, again, above the number that
    /// the trail knows.
    pub(crate) async fn restore(&self, origin: Origin<'_>) -> Result<(), Error> {
        let number = self.store.list(NAME).await?.last().copied();
        let number = number.ok_or_else(|| StateError::Missing { name: NAME.to_owned() })?;
        let bytes = self.store.read(NAME, number).await?.unwrap_or_default();
        match self.marks.check(&*self.store, &mark_of(NAME, number, &bytes)).await {
            Ok(()) => return Ok(()),
            Err(StateError::RolledBack { .. } | StateError::Replaced { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let (record, key) = self.verified(number, &bytes, origin).await?;
        let known = self.marks.number(NAME).max(number);
        self.write(known.saturating_add(1), record, &key, origin).await.map(|_| ())
    }

    /// A fresh secret, wrapped by a version of the service key and unwrapped again.
    async fn new_generation(
        &self,
        by: &VersionedKeyId,
        origin: Origin<'_>,
    ) -> Result<(Generation, Arc<StateKey>), Error> {
        let secret = Secret::generate().map_err(Error::engine("make a key"))?;
        let wrapped = self.wrap(by, &payload(KIND, ID, &secret), origin).await?;
        let again = self.unwrap(by, &wrapped, origin).await?.value;
        if from_payload(KIND, ID, &again).as_ref() != Some(&secret) {
            return Err(Error::WrongKey { key: by.to_string() });
        }
        let key = Arc::new(StateKey::derive(&by.to_string(), &secret));
        Ok((Generation { key: by.clone(), wrapped }, key))
    }

    /// The version that new things are wrapped and signed under.
    pub(crate) async fn current(
        &self,
        origin: Origin<'_>,
    ) -> Result<(VersionedKeyId, Arc<StateKey>), Error> {
        self.open(origin).await?;
        let newest = self.lock().generations.last().cloned();
        let missing = || StateError::Missing { name: NAME.to_owned() };
        let newest = newest.ok_or_else(missing)?;
        let key = self.unwrap_generation(&newest, origin).await?;
        Ok((newest.key, key))
    }

    /// The body of a state of `name`, with the id of the key that it is signed under.
    pub(crate) async fn verify<B: DeserializeOwned>(
        &self,
        name: &str,
        number: u64,
        bytes: &[u8],
        origin: Origin<'_>,
    ) -> Result<(B, String), Error> {
        let id = key_id_of(bytes).unwrap_or_default().to_owned();
        let known = |id: &str| {
            let held = self.lock();
            held.generations.iter().find(|generation| generation.key.to_string() == id).cloned()
        };
        let mut generation = known(&id);
        if generation.is_none() {
            self.open(origin).await?; // another process may have rotated
            generation = known(&id);
        }
        let Some(generation) = generation else {
            let reason = "it is cut, or signed under no version of the service key".to_owned();
            return Err(StateError::Invalid { name: name.to_owned(), number, reason }.into());
        };
        let key = self.unwrap_generation(&generation, origin).await?;
        let body = key.verify(name, number, bytes)?;
        self.lock().keys.insert(id.clone(), key);
        Ok((body, id))
    }

    /// True where `key` is one of the service's own.
    pub(crate) fn is_own(&self, key: &VersionedKeyId) -> bool {
        key.vault() == self.vault.id() && *key.name() == self.name
    }

    pub(crate) async fn wrap(
        &self,
        key: &VersionedKeyId,
        payload: &SecretVec,
        origin: Origin<'_>,
    ) -> Result<Vec<u8>, Error> {
        self.at(origin).wrap(key, Algorithm::A256Kw, payload).await
    }

    /// Asks the vault, for keys of the service's own name only.
    pub(crate) async fn unwrap(
        &self,
        key: &VersionedKeyId,
        wrapped: &[u8],
        origin: Origin<'_>,
    ) -> Result<Timed<SecretVec>, Error> {
        if !self.is_own(key) {
            return Err(Error::NoVault { key: key.clone(), identity: SERVICE.into() });
        }
        self.at(origin).unwrap(key, Algorithm::A256Kw, wrapped).await
    }

    fn at<'a>(&'a self, origin: Origin<'a>) -> BoundClient<'a> {
        self.client.at(&*self.vault, origin)
    }
}
