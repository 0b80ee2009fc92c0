//! Thin layers around a vault, a store and an audit trail that say what is about to happen; and mistakes that
//! are planted to see that they are found.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use serde_json::Value;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;
use strongroom_keys::VaultError;
use strongroom_keys::audit::{
    AuditError, AuditEvent, AuditSink, FileHeadStore, Head, HeadStore, Known, StateMark,
};
use strongroom_keys::state::{Created, FileStore, StateError, StateStore};
use strongroom_keys::vault::{KeyDescription, KeyName, Place as Where, Vault, VersionedKeyId};

use crate::phase::{Announcer, Operation, Phase};
use crate::place::{Parts, Place};

/// A mistake that the processes make on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// States are written in place, in two halves, whether the number is taken or not.
    StateInPlace,
    /// A key's attributes are written back as they were before a version was made and told of.
    LostVersion,
    /// The head of the audit trail is kept before the second half of its line is there.
    HalfLine,
}

impl Planted {
    pub const ALL: [Self; 3] = [Self::StateInPlace, Self::LostVersion, Self::HalfLine];

    pub fn name(self) -> &'static str {
        match self {
            Self::StateInPlace => "state-in-place",
            Self::LostVersion => "lost-version",
            Self::HalfLine => "half-line",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|planted| planted.name() == name)
    }
}

/// The parts of `place`, each of which says what it is about to do.
pub fn announced(place: &Place, announcer: &Arc<Announcer>, planted: Option<Planted>) -> Parts {
    let plain = place.plain();
    let (service, customer) = (AnnouncedVault::SERVICE, AnnouncedVault::CUSTOMER);
    let vault = |inner, side| AnnouncedVault { inner, side, announcer: Arc::clone(announcer) };
    let head = AnnouncedHead { inner: place.head(), announcer: Arc::clone(announcer) };
    let store = AnnouncedStore {
        inner: place.store(),
        announcer: Arc::clone(announcer),
        in_place: (planted == Some(Planted::StateInPlace)).then(|| place.clone()),
    };
    let audit = AnnouncedAudit {
        inner: Arc::new(place.audit(Arc::new(head))),
        announcer: Arc::clone(announcer),
        in_halves: (planted == Some(Planted::HalfLine)).then(|| place.trail()),
    };
    Parts {
        store: Arc::new(store),
        service: Arc::new(vault(plain.service, service)),
        customer: Arc::new(vault(plain.customer, customer)),
        audit: Arc::new(audit),
    }
}

#[derive(Debug)]
struct AnnouncedVault {
    inner: Arc<dyn Vault>,
    side: usize,
    announcer: Arc<Announcer>,
}

impl AnnouncedVault {
    const SERVICE: usize = 0;
    const CUSTOMER: usize = 1;

    async fn during<T>(&self, phases: [Phase; 2], request: impl Future<Output = T>) -> T {
        self.announcer.phase(phases[self.side]);
        let answer = request.await;
        self.announcer.phase(Phase::Between);
        answer
    }

    /// The phases of an unwrap: it proves a key that was wrapped before it in the same operation.
    fn unwrapping(&self) -> [Phase; 2] {
        if self.announcer.wrapped(self.side).load(Ordering::SeqCst) {
            [Phase::ServiceProve, Phase::CustomerProve]
        } else {
            [Phase::ServiceUnwrap, Phase::CustomerUnwrap]
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Vault for AnnouncedVault {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn place(&self) -> Where {
        self.inner.place()
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        let phases = [Phase::ServiceDescribe, Phase::CustomerDescribe];
        self.during(phases, self.inner.newest(name)).await
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        let phases = [Phase::ServiceDescribe, Phase::CustomerDescribe];
        self.during(phases, self.inner.describe(id)).await
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.announcer.wrapped(self.side).store(true, Ordering::SeqCst);
        let phases = [Phase::ServiceWrap, Phase::CustomerWrap];
        self.during(phases, self.inner.wrap(id, algorithm, payload)).await
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        self.during(self.unwrapping(), self.inner.unwrap(id, algorithm, wrapped)).await
    }

    async fn unwrap_batch(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[&[u8]],
    ) -> Vec<Result<SecretVec, VaultError>> {
        self.during(self.unwrapping(), self.inner.unwrap_batch(id, algorithm, wrapped)).await
    }
}

#[derive(Debug)]
struct AnnouncedStore {
    inner: FileStore,
    announcer: Arc<Announcer>,
    in_place: Option<Place>,
}

impl AnnouncedStore {
    fn phase_of(&self, name: &str) -> Phase {
        if name == "_service" {
            Phase::ServiceRecord
        } else if self.announcer.is_doing(Operation::RotateServiceKey) {
            Phase::ServiceRewrap
        } else {
            Phase::StateWrite
        }
    }

    async fn erasing<T>(&self, change: impl Future<Output = T>) -> T {
        self.announcer.phase(Phase::StatePrune);
        let changed = change.await;
        self.announcer.phase(Phase::Between);
        changed
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StateStore for AnnouncedStore {
    async fn names(&self) -> Result<Vec<String>, StateError> {
        self.inner.names().await
    }

    async fn list(&self, name: &str) -> Result<Vec<u64>, StateError> {
        self.inner.list(name).await
    }

    async fn read(&self, name: &str, number: u64) -> Result<Option<Vec<u8>>, StateError> {
        self.inner.read(name, number).await
    }

    async fn create(&self, name: &str, number: u64, bytes: &[u8]) -> Result<Created, StateError> {
        self.announcer.phase(self.phase_of(name));
        let created = match &self.in_place {
            None => self.inner.create(name, number, bytes).await,
            Some(place) => {
                let path = place.state(name, number);
                let (front, back) = bytes.split_at(bytes.len() / 2);
                let mut file = File::create(path).unwrap();
                file.write_all(front).and_then(|()| file.sync_all()).unwrap();
                file.write_all(back).and_then(|()| file.sync_all()).unwrap();
                Ok(Created::New)
            }
        };
        let after = if created == Ok(Created::New) { Phase::StateWritten } else { Phase::Between };
        self.announcer.phase(after);
        created
    }

    async fn make_room(&self) -> Result<bool, StateError> {
        self.inner.make_room().await
    }

    async fn erase(&self, name: &str, number: u64) -> Result<(), StateError> {
        self.erasing(self.inner.erase(name, number)).await
    }

    async fn remove(&self, name: &str, number: u64) -> Result<(), StateError> {
        self.erasing(self.inner.remove(name, number)).await
    }
}

#[derive(Debug)]
struct AnnouncedAudit {
    inner: Arc<dyn AuditSink>,
    announcer: Arc<Announcer>,
    in_halves: Option<PathBuf>,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl AuditSink for AnnouncedAudit {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        self.announcer.phase(Phase::Audit);
        let recorded = self.inner.record(event).await;
        if let Some(trail) = &self.in_halves {
            self.announcer.phase(Phase::Audit);
            write_again_in_halves(trail);
        }
        self.announcer.phase(Phase::Between);
        recorded
    }

    async fn recall(&self) -> Known {
        self.inner.recall().await
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        self.inner.outlines().await
    }
}

/// Takes the second half of the last line away and puts it back, as one does who writes it in two steps.
fn write_again_in_halves(trail: &PathBuf) {
    let file = OpenOptions::new().read(true).write(true).open(trail).unwrap();
    file.lock().unwrap();
    let bytes = fs::read(trail).unwrap();
    let Some((_, whole)) = bytes.split_last() else { return };
    let begins = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let half = usize::midpoint(begins, bytes.len());
    file.set_len(half as u64).and_then(|()| file.sync_all()).unwrap();
    file.write_all_at(&bytes[half..], half as u64).and_then(|()| file.sync_all()).unwrap();
}

#[derive(Debug)]
struct AnnouncedHead {
    inner: FileHeadStore,
    announcer: Arc<Announcer>,
}

#[deny(clippy::missing_trait_methods)]
impl HeadStore for AnnouncedHead {
    fn load(&self) -> Result<Option<Head>, AuditError> {
        self.inner.load()
    }

    fn store(&self, head: &Head) -> Result<(), AuditError> {
        self.announcer.phase(Phase::AuditHead);
        self.inner.store(head)
    }
}
