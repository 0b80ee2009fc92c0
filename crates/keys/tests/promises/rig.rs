//! A world over a vault that its customer administers: in memory, or a directory.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_lite::future::block_on;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;
use strongroom_keys::VaultError;
use strongroom_keys::testing::{ManualClock, MemoryVault};
use strongroom_keys::vault::{
    KeyDescription, KeyName, Operation, Operations, Place, Vault, VersionedKeyId,
};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{InitOptions, KeyKind, KeyOptions, OpenOptions, VersionId, Versions};
use tempfile::TempDir;

use crate::world::{IDENTITY, Keys, REGION, TENANT, World, now, rsa};

/// A vault whose work on other threads is waited for on the spot: a clock that stands still sees no wait.
#[derive(Debug)]
struct OnTheSpot<V>(V);

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<V: Vault> Vault for OnTheSpot<V> {
    fn id(&self) -> &str {
        self.0.id()
    }

    fn place(&self) -> Place {
        self.0.place()
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        block_on(self.0.newest(name))
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        block_on(self.0.describe(id))
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        block_on(self.0.wrap(id, algorithm, payload))
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        block_on(self.0.unwrap(id, algorithm, wrapped))
    }

    async fn unwrap_batch(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[&[u8]],
    ) -> Vec<Result<SecretVec, VaultError>> {
        block_on(self.0.unwrap_batch(id, algorithm, wrapped))
    }
}

/// Administrator of the customer's vault.
pub enum Owner {
    Memory(Arc<MemoryVault>),
    Local(LocalVault),
}

impl Owner {
    pub fn enable(&self, key: &VersionedKeyId, enabled: bool) {
        match self {
            Self::Memory(vault) if enabled => vault.enable(key),
            Self::Memory(vault) => vault.disable(key),
            Self::Local(vault) => {
                let version = Versions::Only(VersionId::parse(key.version()).unwrap());
                vault.set_enabled(key.name().as_str(), version, enabled).unwrap();
            }
        }
    }

    pub fn delete(&self, key: &VersionedKeyId) {
        match self {
            Self::Memory(vault) => vault.delete(key),
            Self::Local(vault) => drop(vault.delete(key.name().as_str()).unwrap()),
        }
    }

    pub fn recover(&self, key: &VersionedKeyId) {
        match self {
            Self::Memory(vault) => vault.recover(key),
            Self::Local(vault) => vault.recover(key.name().as_str()).unwrap(),
        }
    }

    /// Lets the identity do just `operations`.
    pub fn permit(&self, key: &VersionedKeyId, operations: Operations) {
        match self {
            Self::Memory(vault) => vault.grant(key, operations),
            Self::Local(vault) => drop(vault.grant(IDENTITY, None, operations).unwrap()),
        }
    }

    pub fn dates(&self, key: &VersionedKeyId, not_before: Option<u64>, expires: Option<u64>) {
        match self {
            Self::Memory(vault) => vault.change(key, |key| {
                (key.not_before, key.expires) = (not_before, expires);
            }),
            Self::Local(vault) => {
                let version = Versions::Only(VersionId::parse(key.version()).unwrap());
                vault.set_dates(key.name().as_str(), version, not_before, expires).unwrap();
            }
        }
    }
}

/// Vaults that worlds may be built over again and again.
pub struct Vaults {
    pub keys: Keys,
    pub owner: Owner,
    _directories: Vec<TempDir>,
}

impl Vaults {
    pub fn in_memory() -> Self {
        let keys = Keys::in_memory();
        let owner = Owner::Memory(Arc::clone(&keys.customer_keys));
        Self { keys, owner, _directories: Vec::new() }
    }

    pub fn local() -> Self {
        static CUSTOMER: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
        static SERVICE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
        let clock = Arc::new(ManualClock::default());
        let (customer, first) = put(CUSTOMER.get_or_init(|| made(make_customer)), &clock);
        let (service, second) = put(SERVICE.get_or_init(|| made(make_service)), &clock);
        let id = |name: &str, at: usize| {
            VersionedKeyId::try_from(&customer.show(name).unwrap().versions[at].id).unwrap()
        };
        let cmk = [id("documents", 0), id("documents", 1), id("other", 0)];
        let keys = Keys {
            clock,
            service: Arc::new(OnTheSpot(service)),
            customer: Arc::new(OnTheSpot(customer.as_identity(IDENTITY))),
            service_keys: Arc::new(MemoryVault::new("memory/none")),
            customer_keys: Arc::new(MemoryVault::new("memory/none")),
            cmk,
        };
        Self { keys, owner: Owner::Local(customer), _directories: vec![first, second] }
    }

    pub fn world(&self) -> World {
        World::over(&self.keys, |config| config)
    }
}

fn make_customer(path: &Path) {
    let place = Place { tenant: Some(TENANT.into()), region: Some(REGION.into()) };
    let options = InitOptions { purge_protection: true, place, ..InitOptions::default() };
    let vault = LocalVault::init_with(path, options).unwrap();
    vault.import_rsa("documents", rsa(0), KeyOptions::default()).unwrap();
    vault.rotate("documents").unwrap();
    vault.import_rsa("other", rsa(2), KeyOptions::default()).unwrap();
    vault.grant(IDENTITY, None, Operations::from(Operation::ALL)).unwrap();
}

fn make_service(path: &Path) {
    let vault = LocalVault::init(path).unwrap();
    let options = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
    vault.create_with("service-key", options).unwrap();
}

/// The files of a vault: making keys takes a while.
fn made(make: impl FnOnce(&Path)) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = tempfile::tempdir().unwrap();
    make(&directory.path().join("vault"));
    let mut files = Vec::new();
    let mut folders = vec![directory.path().join("vault")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(directory.path()).unwrap().to_owned();
                files.push((relative, std::fs::read(&path).unwrap()));
            }
        }
    }
    files
}

/// A vault of these files.
fn put(files: &[(PathBuf, Vec<u8>)], clock: &Arc<ManualClock>) -> (LocalVault, TempDir) {
    use std::fs::{DirBuilder, OpenOptions as FileOptions};
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let directory = tempfile::tempdir().unwrap();
    for (relative, bytes) in files {
        let path = directory.path().join(relative);
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
        let mut file =
            FileOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        file.write_all(bytes).unwrap();
    }
    let options = OpenOptions { clock: Arc::clone(clock) as _, ..OpenOptions::default() };
    (LocalVault::open_with(&directory.path().join("vault"), options).unwrap(), directory)
}

/// A world, and who administers its customer's vault.
pub struct Rig {
    world: World,
    vaults: Vaults,
}

impl Rig {
    pub fn owner(&self) -> &Owner {
        &self.vaults.owner
    }

    pub fn enabled(self) -> Self {
        now(self.resources.enable_cmk(&self.id, &self.enable())).unwrap();
        self
    }
}

impl Deref for Rig {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// One resource over each kind of vault.
pub fn rigs() -> [Rig; 2] {
    [Vaults::local(), Vaults::in_memory()].map(|vaults| Rig { world: vaults.world(), vaults })
}
