//! One of the two processes: it works without pause until it is killed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_lite::future::block_on;
use strongroom::document;
use strongroom::wrap::Algorithm;
use strongroom_keys::Error;
use strongroom_keys::VaultError;
use strongroom_keys::resource::{Caller, Cause, DocumentKind, EnableCmk, Resources, SealRequest};
use strongroom_keys::vault::VersionedKeyId;
use strongroom_local_vault::LocalVault;

use crate::phase::{Announcement, Announcer, Met, Operation, Phase};
use crate::place::{
    CUSTOMER_KEY, IDENTITY, NotOpened, Place, Random, SERVICE_KEY, open_document, probe, resource,
    text_of,
};
use crate::proxies::{Planted, announced};

/// Most documents that one process seals.
const DOCUMENTS: u64 = 3;
/// Most documents that are opened in one go.
const OPENED_AT_ONCE: usize = 8;
/// A process that does nothing for so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Orders for a process.
#[derive(Clone, Debug)]
pub struct Orders {
    pub place: Place,
    /// 0 or 1.
    pub index: u8,
    /// Number of this process, among all that there ever were.
    pub life: u64,
    pub seed: u64,
    /// The phase that it shall reach soon.
    pub wanted: Option<Phase>,
    pub planted: Option<Planted>,
}

const PLACE: &str = "STRONGROOM_TEST_KILL_PLACE";
const NUMBERS: &str = "STRONGROOM_TEST_KILL_NUMBERS";
const PLANTED: &str = "STRONGROOM_TEST_KILL_PLANTED";

impl Orders {
    /// As variables of a process's environment.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let wanted = self.wanted.map_or(u8::MAX, Phase::code);
        [
            (PLACE, self.place.root.to_str().unwrap().to_owned()),
            (NUMBERS, format!("{} {} {} {wanted}", self.index, self.life, self.seed)),
            (PLANTED, self.planted.map_or("", Planted::name).to_owned()),
        ]
    }

    /// The orders in the environment; `None` where it is not such a process.
    pub fn received() -> Option<Self> {
        let root = PathBuf::from(std::env::var_os(PLACE)?);
        let numbers = std::env::var(NUMBERS).unwrap();
        let numbers: Vec<u64> = numbers.split(' ').map(|one| one.parse().unwrap()).collect();
        Some(Self {
            place: Place { root },
            index: u8::try_from(numbers[0]).unwrap(),
            life: numbers[1],
            seed: numbers[2],
            wanted: Phase::of_code(u8::try_from(numbers[3]).unwrap()),
            planted: Planted::by_name(&std::env::var(PLANTED).unwrap()),
        })
    }
}

/// The reason why an operation was not done.
enum Trouble {
    /// The other process was first.
    Met(Met),
    /// A failure.
    Failed(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        use Cause::{ResourceDeleted, Revoked};
        match error {
            Error::Contended { .. } => Self::Met(Met::Contended),
            Error::WrongState { .. } => Self::Met(Met::WrongState),
            Error::LeaseEnded { .. } => Self::Met(Met::LeaseEnded),
            // No other cause: nobody disables or deletes a key of a vault.
            Error::Denied { cause: Revoked | ResourceDeleted, .. } => Self::Met(Met::Denied),
            other => Self::Failed(format!("{other} ({other:?})")),
        }
    }
}

impl From<NotOpened> for Trouble {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Resource(error) => error.into(),
            NotOpened::Document(text) => Self::Failed(text),
        }
    }
}

/// Works until it is killed, or meets what must not be.
pub fn work(orders: &Orders) {
    let announcer = Arc::new(Announcer::new(orders.index));
    let alive = Arc::new(AtomicBool::new(true));
    let watched = Arc::clone(&alive);
    std::thread::spawn(move || {
        while watched.swap(false, Ordering::SeqCst) {
            std::thread::sleep(HANGS_AFTER);
        }
        eprintln!("this process hangs: no operation ended within {HANGS_AFTER:?}");
        std::process::exit(3);
    });
    let parts = announced(&orders.place, &announcer, orders.planted);
    let resources = block_on(parts.config().open()).unwrap();
    let resources = resources.on_behalf_of(Caller::new(&format!("process {}", orders.life)));
    let told = orders.place.told().join(orders.life.to_string());
    let told = OpenOptions::new().append(true).create(true).open(told).unwrap();
    let vault = orders.place.vault();
    let random = Random(orders.seed);
    let mut worker = Worker { orders, announcer, resources, vault, told, random, sealed: 0 };
    let mut met = None;
    loop {
        alive.store(true, Ordering::SeqCst);
        let operation = worker.next_operation(met);
        worker.announcer.begin(operation);
        worker.announcer.phase(Phase::Between);
        met = match worker.perform(operation) {
            Ok(()) => {
                worker.announcer.say(Announcement::Done(operation));
                None
            }
            Err(Trouble::Met(met)) => {
                worker.announcer.say(Announcement::Met(met));
                Some(met)
            }
            Err(Trouble::Failed(why)) => panic!("{}: {why}", operation.name()),
        };
    }
}

struct Worker<'a> {
    orders: &'a Orders,
    announcer: Arc<Announcer>,
    resources: Resources,
    vault: LocalVault,
    told: File,
    random: Random,
    sealed: u64,
}

impl Worker<'_> {
    fn next_operation(&mut self, met: Option<Met>) -> Operation {
        use Operation as Op;
        // Out of a state in which nothing else can be done, most of the time.
        match met {
            Some(Met::Denied) if self.random.below(4) > 0 => {
                return self.random.pick(&[Op::Refresh, Op::ResourceRestored]);
            }
            Some(Met::WrongState) if self.random.below(4) > 0 => {
                return self.random.pick(&[Op::EnableCmk, Op::RotateCmk, Op::ResourceRestored]);
            }
            _ => {}
        }
        let wanted = self.orders.wanted.map_or(&[][..], leads_to);
        let operation = if !wanted.is_empty() && self.random.below(2) == 0 {
            self.random.pick(wanted)
        } else {
            match self.random.below(40) {
                0..5 => Op::EnableCmk,
                5..7 => Op::DisableCmk,
                7..13 => Op::RotateCmk,
                13..17 => Op::RotateResourceKey,
                17..19 => Op::RevokeNow,
                19..22 => Op::Refresh,
                22 => Op::ResourceDeleted,
                23..25 => Op::ResourceRestored,
                25..28 => Op::RotateServiceKey,
                28..34 => Op::Seal,
                _ => Op::Open,
            }
        };
        if operation == Op::Seal && self.sealed >= DOCUMENTS { Op::Open } else { operation }
    }

    fn perform(&mut self, operation: Operation) -> Result<(), Trouble> {
        let (resources, id) = (self.resources.clone(), resource());
        match operation {
            Operation::EnableCmk => {
                let key = self.some_version();
                block_on(resources.enable_cmk(&id, &EnableCmk::new(key, IDENTITY)))?;
            }
            Operation::DisableCmk => block_on(resources.disable_cmk(&id))?,
            Operation::RotateCmk => {
                let key = self.newest_version();
                block_on(resources.rotate_cmk(&id, &key))?;
            }
            Operation::RotateResourceKey => block_on(resources.rotate_resource_key(&id))?,
            Operation::RevokeNow => block_on(resources.revoke_now(&id))?,
            Operation::Refresh => block_on(resources.refresh(&id))?,
            Operation::ResourceDeleted => block_on(resources.resource_deleted(&id))?,
            Operation::ResourceRestored => block_on(resources.resource_restored(&id))?,
            Operation::RotateServiceKey => {
                if self.random.below(3) > 0 {
                    self.rotate_in_vault(SERVICE_KEY, Algorithm::A256Kw);
                }
                block_on(resources.rotate_service_key())?;
            }
            Operation::RotateInVault => {
                self.rotate_in_vault(CUSTOMER_KEY, Algorithm::RsaOaep256);
            }
            Operation::Seal => self.seal()?,
            Operation::Open => self.open()?,
        }
        Ok(())
    }

    fn versions(&self) -> Vec<VersionedKeyId> {
        let versions = self.vault.show(CUSTOMER_KEY).unwrap().versions;
        let ids = versions.iter().map(|version| VersionedKeyId::try_from(&version.id));
        ids.collect::<Result<_, VaultError>>().unwrap()
    }

    fn some_version(&mut self) -> VersionedKeyId {
        let mut versions = self.versions();
        versions.swap_remove(usize::try_from(self.random.below(versions.len() as u64)).unwrap())
    }

    fn newest_version(&self) -> VersionedKeyId {
        self.versions().pop().unwrap()
    }

    /// Makes a version in the vault, and tells of it once it is there.
    fn rotate_in_vault(&mut self, name: &str, algorithm: Algorithm) {
        let attributes = self.vault.path().join(format!("keys/{name}/attributes.json"));
        let before = self.orders.place.root.join(format!("before-{}", self.orders.life));
        if self.orders.planted == Some(Planted::LostVersion) {
            fs::copy(&attributes, &before).unwrap();
        }
        self.announcer.phase(Phase::VaultGenerate);
        let made = AtomicBool::new(false);
        let id = std::thread::scope(|scope| {
            scope.spawn(|| self.announce_writing(&made));
            let id = self.vault.rotate(name);
            made.store(true, Ordering::SeqCst);
            id
        });
        let id = id.unwrap();
        self.announcer.phase(Phase::Between);
        let line = probe(&self.vault, &id, algorithm);
        self.told.write_all(line.as_bytes()).unwrap();
        if self.orders.planted == Some(Planted::LostVersion) {
            fs::rename(before, attributes).unwrap();
        }
    }

    /// Says that the version is being written as soon as this process has the vault's lock: its directory
    /// is open for nothing else.
    fn announce_writing(&self, made: &AtomicBool) {
        let directory = self.vault.path().canonicalize().unwrap();
        let is_open = |entry: std::io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == directory))
        };
        while !made.load(Ordering::SeqCst) {
            let open = fs::read_dir("/proc/self/fd");
            let mut open = open.unwrap_or_else(|_| panic!("no /proc: run this test on Linux"));
            if open.any(is_open) {
                self.announcer.phase(Phase::VaultWrite);
                return;
            }
            std::thread::sleep(Duration::from_micros(20));
        }
    }

    /// Seals a document under a temporary name, and names it when it is whole.
    fn seal(&mut self) -> Result<(), Trouble> {
        let length = self.random.pick(&[0, 100, 5_000, 1_200_000]);
        // Far away, in one of three hours.
        let expires_at = Some(4_000_000_000 + 3_600 * self.random.below(3));
        let expires_at = expires_at.filter(|_| self.random.below(2) == 0);
        let kind = self.random.pick(&[DocumentKind::Model, DocumentKind::Result]);
        let request = SealRequest::of(kind).expiring_at(expires_at);
        let keys = block_on(self.resources.sealing_keys(&resource(), &request))?;
        let name = format!("{}-{}-{length}", self.orders.life, self.sealed);
        let text = text_of(&name);
        self.announcer.phase(Phase::Seal);
        let options = document::SealOptions { expires_at: keys.expires_at(), ..request.options };
        let sealed = document::seal(&text, keys.layers(), &options);
        let sealed = sealed.map_err(|error| Trouble::Failed(error.to_string()))?;
        keys.lease().check()?;
        self.announcer.phase(Phase::Publish);
        let folder = self.orders.place.documents();
        let temporary = folder.join(format!(".{name}"));
        let mut file = File::create(&temporary).unwrap();
        file.write_all(&sealed).and_then(|()| file.sync_all()).unwrap();
        fs::rename(&temporary, folder.join(&name)).unwrap();
        self.announcer.phase(Phase::Between);
        self.sealed += 1;
        Ok(())
    }

    /// Opens some of the finished documents, whoever sealed them.
    fn open(&mut self) -> Result<(), Trouble> {
        let finished = self.orders.place.finished();
        for _ in 0..OPENED_AT_ONCE.min(finished.len()) {
            let path =
                &finished[usize::try_from(self.random.below(finished.len() as u64)).unwrap()];
            let announcer = Arc::clone(&self.announcer);
            open_document(&self.resources, path, || announcer.phase(Phase::Open))?;
            self.announcer.phase(Phase::Between);
        }
        Ok(())
    }
}

/// The operations in which a phase is met.
fn leads_to(phase: Phase) -> &'static [Operation] {
    use Operation as Op;
    match phase {
        Phase::CustomerDescribe | Phase::CustomerWrap | Phase::CustomerProve => {
            &[Op::EnableCmk, Op::RotateCmk, Op::RotateResourceKey]
        }
        Phase::CustomerUnwrap => &[Op::RotateCmk, Op::DisableCmk, Op::Refresh],
        Phase::ServiceDescribe
        | Phase::ServiceWrap
        | Phase::ServiceProve
        | Phase::ServiceRecord
        | Phase::ServiceRewrap => &[Op::RotateServiceKey],
        Phase::ServiceUnwrap => &[Op::RotateResourceKey, Op::DisableCmk],
        Phase::VaultGenerate => &[Op::RotateInVault],
        Phase::VaultWrite => &[Op::RotateInVault, Op::RotateServiceKey, Op::RotateServiceKey],
        Phase::Seal | Phase::Publish => &[Op::Seal],
        Phase::Open => &[Op::Open],
        Phase::StateWrite | Phase::StateWritten | Phase::StatePrune => {
            &[Op::EnableCmk, Op::RotateCmk, Op::RotateResourceKey, Op::DisableCmk]
        }
        Phase::Between | Phase::Audit | Phase::AuditHead => &[],
    }
}
