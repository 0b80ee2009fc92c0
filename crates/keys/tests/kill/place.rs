//! Files of both processes and of the checks: a vault, a store of states, an audit trail and a folder of
//! documents.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use strongroom::document::Header;
use strongroom::wrap::{Algorithm, KeyId};
use strongroom_keys::Error;
use strongroom_keys::audit::{AuditKey, AuditSink, FileHeadStore, HeadStore, JsonLines};
use strongroom_keys::cache::CacheSettings;
use strongroom_keys::resource::{
    DocumentError, NewResource, OpenRequest, ResourceId, Resources, ResourcesConfig, VaultLimits,
};
use strongroom_keys::state::{FileStore, StateStore};
use strongroom_keys::vault::{KeyName, Operation, Operations, Place as Where, Vault};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{InitOptions, KeyKind, KeyOptions, LocalKeyId};

pub const SERVICE_KEY: &str = "service-key";
pub const CUSTOMER_KEY: &str = "documents";
pub const IDENTITY: &str = "an-identity";
const RESOURCE: &str = "contoso-7";
const TENANT: &str = "contoso";
const REGION: &str = "westeurope";
/// Payload that each version of a key wraps as soon as it is made.
pub const PROBE: [u8; 40] = [7; 40];

pub fn resource() -> ResourceId {
    ResourceId::new(RESOURCE).unwrap()
}

/// Numbers that a seed gives (splitmix64).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// The files, below one directory.
#[derive(Clone, Debug)]
pub struct Place {
    pub root: PathBuf,
}

impl Place {
    pub fn trail(&self) -> PathBuf {
        self.root.join("audit.jsonl")
    }

    pub fn documents(&self) -> PathBuf {
        self.root.join("documents")
    }

    /// Folder in which processes record the versions that they made, a file for each process.
    pub fn told(&self) -> PathBuf {
        self.root.join("told")
    }

    pub fn states(&self) -> PathBuf {
        self.root.join("states")
    }

    pub fn state(&self, name: &str, number: u64) -> PathBuf {
        self.states().join(format!("{name}/{number:020}.state"))
    }

    pub fn vault(&self) -> LocalVault {
        LocalVault::open(&self.root.join("vault")).unwrap()
    }

    pub fn store(&self) -> FileStore {
        block_on(FileStore::open(self.states())).unwrap()
    }

    pub fn audit_key() -> AuditKey {
        AuditKey::new(&[7; 32])
    }

    pub fn head(&self) -> FileHeadStore {
        FileHeadStore::new(self.root.join("audit.head"), &Self::audit_key())
    }

    pub fn audit(&self, head: Arc<dyn HeadStore>) -> JsonLines {
        JsonLines::new(self.trail(), &Self::audit_key()).rotate_at(1 << 20).head_store(head)
    }

    /// A vault with the service's key and the customer's, in so many versions, and one resource.
    pub fn make(root: &Path, customer_versions: usize) -> Self {
        let place = Self { root: root.to_owned() };
        let at = Where { tenant: Some(TENANT.to_owned()), region: Some(REGION.to_owned()) };
        let options = InitOptions { purge_protection: true, place: at, ..InitOptions::default() };
        let vault = LocalVault::init_with(&root.join("vault"), options).unwrap();
        for folder in [place.documents(), place.told()] {
            fs::create_dir(folder).unwrap();
        }
        let aes = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
        let service = vault.create_with(SERVICE_KEY, aes).unwrap();
        let mut made = vec![(service, Algorithm::A256Kw)];
        made.push((vault.create(CUSTOMER_KEY).unwrap(), Algorithm::RsaOaep256));
        for _ in 1..customer_versions {
            made.push((vault.rotate(CUSTOMER_KEY).unwrap(), Algorithm::RsaOaep256));
        }
        vault.grant(IDENTITY, None, Operations::from(Operation::ALL)).unwrap();
        let told: String =
            made.iter().map(|(id, algorithm)| probe(&vault, id, *algorithm)).collect();
        fs::write(place.told().join("made-before"), told).unwrap();

        let resources = block_on(place.plain().config().init()).unwrap();
        let new = NewResource {
            id: resource(),
            tenant: TENANT.to_owned(),
            region: REGION.to_owned(),
            cmk_allowed: true,
            created_at: None,
        };
        block_on(resources.create(new)).unwrap();
        place
    }

    /// The files as they are, with nothing in between.
    pub fn plain(&self) -> Parts {
        let vault = self.vault();
        Parts {
            store: Arc::new(self.store()),
            customer: Arc::new(vault.as_identity(IDENTITY)),
            service: Arc::new(vault),
            audit: Arc::new(self.audit(Arc::new(self.head()))),
        }
    }

    /// The finished documents.
    pub fn finished(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.documents()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| !file_name(path).starts_with('.')).collect();
        paths.sort();
        paths
    }
}

/// Stores, vaults and trail that resources are made of.
pub struct Parts {
    pub store: Arc<dyn StateStore>,
    pub service: Arc<dyn Vault>,
    pub customer: Arc<dyn Vault>,
    pub audit: Arc<dyn AuditSink>,
}

impl Parts {
    pub fn config(self) -> ResourcesConfig {
        let vaults = HashMap::from([(self.customer.id().to_owned(), self.customer)]);
        // Short, so that vaults are asked again and again; long, so that a slow machine is no outage.
        let cache = CacheSettings {
            refresh: Duration::from_millis(100),
            max_age: Duration::from_secs(60),
            retry_at_most: Duration::from_millis(5),
        };
        let limits =
            VaultLimits { request_timeout: Duration::from_secs(60), ..VaultLimits::default() };
        let name = KeyName::new(SERVICE_KEY).unwrap();
        ResourcesConfig::new(self.store, self.service, name, self.audit)
            .with_vaults(Arc::new(vaults))
            .with_cache(cache)
            .with_limits(limits)
    }
}

pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// A line that tells of a version: its id and what it wrapped.
pub fn probe(vault: &LocalVault, id: &LocalKeyId, algorithm: Algorithm) -> String {
    let key = KeyId::new(&id.to_string()).unwrap();
    let wrapped = vault.wrap(&key, algorithm, &PROBE).unwrap();
    format!("{id} {} {}\n", algorithm.name(), strongroom_vault::hex::encode(&wrapped))
}

/// The text of the document that is named `LIFE-NUMBER-LENGTH`.
pub fn text_of(name: &str) -> Vec<u8> {
    let parts: Vec<u64> = name.split('-').map(|part| part.parse().unwrap()).collect();
    let mut random = Random(parts[0] << 32 | parts[1]);
    let length = usize::try_from(parts[2]).unwrap();
    let mut text: Vec<u8> =
        (0..length.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
    text.truncate(length);
    text
}

/// The reason why a document does not open.
#[derive(Debug)]
pub enum NotOpened {
    Resource(Error),
    Document(String),
}

impl From<Error> for NotOpened {
    fn from(error: Error) -> Self {
        Self::Resource(error)
    }
}

/// Opens a finished document, which must then have its text.
pub fn open_document(
    resources: &Resources,
    path: &Path,
    before_opening: impl FnOnce(),
) -> Result<(), NotOpened> {
    let broken = |what: &dyn std::fmt::Display| {
        NotOpened::Document(format!("{} is not whole: {what}", path.display()))
    };
    let sealed = fs::read(path).map_err(|error| broken(&error))?;
    let header = Header::parse(&sealed).map_err(|error| broken(&error))?;
    let failed = |error| match error {
        DocumentError::Resource(error) => NotOpened::Resource(error),
        other @ DocumentError::Document(_) => broken(&other),
    };
    let opener = block_on(resources.opener(&resource(), &header, &OpenRequest::default()));
    let opener = opener.map_err(failed)?;
    before_opening();
    let text = opener.open_slice(&sealed).map_err(failed)?;
    if text == text_of(&file_name(path)) { Ok(()) } else { Err(broken(&"it has another text")) }
}
