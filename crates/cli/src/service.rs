//! A service's home: its own vault, its resources' states and its audit trail, in one directory.
//!
//! ```text
//! HOME/home.json    written last: a directory that has it is a whole home
//!      vault/       the service's own vault, with the AES-256 keys "service" and "audit"
//!      audit.key    the key that the trail is chained under, wrapped by "audit"
//!      audit.jsonl  the trail       audit.head  its last line, kept
//!      audit.jsonl.known  what it says of states and time, a shortcut
//!      state/       the resources' states
//!      vaults.json  where the customers' vaults are
//! ```

mod backup;
mod customers;
mod files;
mod from_backup;
mod places;
mod undone;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strongroom::secret::Secret;
use strongroom::wrap::{Algorithm, KeyId};
use strongroom_keys::Resources;
use strongroom_keys::audit::{
    AuditEvent, AuditKey, AuditSink as _, Auditor, FileHeadStore, HeadStore, JsonLines, Repaired,
};
use strongroom_keys::block_on;
use strongroom_keys::clock::{Clock as _, SystemClock};
use strongroom_keys::resource::{Caller, Pins, ResourceId, ResourcesConfig, Restored};
use strongroom_keys::state::{FileStore, StateStore as _};
use strongroom_keys::vault::KeyName;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{InitOptions, KeyKind, KeyOptions, LocalVaultError};

pub(crate) use self::backup::{BackedUp, Backup, MadeBackup};
pub(crate) use self::customers::{CustomerVault, CustomerVaults};
pub(crate) use self::from_backup::{FromBackup, TrailOf, from_backup};
pub(crate) use self::undone::UndoneChanges;
use crate::args::HomeOption;
use crate::failure::Failure;
use crate::hint;
use crate::output::exchange;
use crate::platform;
use crate::print;
use crate::vaults::in_data_directory;

const HOME: &str = "home.json";
const AUDIT_KEY: &str = "audit.key";
const TRAIL: &str = "audit.jsonl";
const VAULTS: &str = "vaults.json";
/// The directory with the resources' states.
pub(crate) const STATES: &str = "state";
/// The format of a home that this version makes and reads.
const FORMAT: u32 = 2;
/// The name of the service's key in its own vault.
pub(crate) const SERVICE_KEY: &str = "service";
/// The name of the key that wraps the audit trail's.
const AUDIT: &str = "audit";

/// Content of `home.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// The id of the audit trail, so that one that is gone is noticed.
    #[serde(default)]
    trail: Option<String>,
}

/// The trail's key at rest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrappedAuditKey {
    key: String,
    wrapped: Vec<u8>,
}

/// Path of a home that exists, or is to be made.
#[derive(Debug)]
pub(crate) struct HomeLocation {
    path: PathBuf,
    named: bool,
}

impl HomeLocation {
    /// Named on the command line or in the environment, else beside the default vault.
    ///
    /// # Errors
    ///
    /// [`Failure::NoHome`] when the user has no data directory.
    pub(crate) fn find(option: HomeOption) -> Result<Self, Failure> {
        let named = option.directory.is_some();
        let path = option.directory.map_or_else(|| in_data_directory("service"), Ok)?;
        Ok(Self { path, named })
    }

    /// The home that is, or is to be, in the directory `path`.
    fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), named: true }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// True where there is a home, whole or damaged.
    pub(crate) fn exists(&self) -> bool {
        std::fs::symlink_metadata(self.path.join(HOME)).is_ok() || self.has_resources()
    }

    /// True where the directory `path` is a whole home.
    pub(crate) fn is_at(path: &Path) -> bool {
        path.join(HOME).exists()
    }

    /// Makes a home, or finishes one whose making was interrupted.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeExists`] when there is one; those of its parts.
    pub(crate) fn init(&self) -> Result<Service, Failure> {
        files::make_directory(&self.path)?;
        let _lock = files::lock(&self.path, None)?;
        if self.exists() {
            return Err(Failure::HomeExists { path: self.path.clone() });
        }
        let vault_path = self.path.join("vault");
        let options = InitOptions { purge_protection: true, ..InitOptions::default() };
        let vault = match LocalVault::init_with(&vault_path, options) {
            Err(LocalVaultError::AlreadyInitialised { .. }) => LocalVault::open(&vault_path)?,
            made => made?,
        };
        for name in [SERVICE_KEY, AUDIT] {
            let options = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
            match vault.create_with(name, options) {
                Err(LocalVaultError::KeyExists { .. }) => {}
                made => drop(made?),
            }
        }
        if !self.path.join(AUDIT_KEY).exists() {
            make_audit_key(&self.path, &vault)?;
        }
        let service = Service::load(&self.path, vault, None)?;
        // An interrupted attempt may have left it.
        block_on(service.config(service.customers())?.open_or_init())?;
        let trail = block_on(service.trail().recall()).trail;
        let manifest = Manifest { format: FORMAT, trail: trail.clone() };
        files::write_json(&self.path.join(HOME), &manifest)?;
        Ok(Service { trail, ..service })
    }

    /// Opens a home that must be there.
    ///
    /// # Errors
    ///
    /// [`Failure::NoService`] when it is not; those of its parts.
    pub(crate) fn open(&self) -> Result<Service, Failure> {
        finish_exchange(&self.path);
        // Before anything is read, so that nothing is written into a home that has given way to another one.
        let held = files::hold(&self.path)?;
        Ok(Service { held, ..self.open_unheld()? })
    }

    /// The same of a home that the caller keeps others away from, or that nobody else knows.
    fn open_unheld(&self) -> Result<Service, Failure> {
        let path = self.path.join(HOME);
        let Some(Manifest { format, trail }) = files::read_json(&path)? else {
            if self.has_resources() {
                return Err(Failure::HomeDamaged { path, reason: "it is missing" });
            }
            let next = if self.named {
                let home = ("--home", self.path.as_os_str());
                let init = hint::strongroom("service init", &[], &[home]);
                format!("check the path, or make one with: {init}")
            } else {
                let init = hint::strongroom("service init", &[], &[]);
                format!("name it with --home, or make one with: {init}")
            };
            return Err(Failure::NoService { path: self.path.clone(), next });
        };
        if format != FORMAT {
            return Err(Failure::HomeFormat {
                path: self.path.clone(),
                found: format,
                read: FORMAT,
            });
        }
        files::require_private(&self.path)?;
        let vault = LocalVault::open(&self.path.join("vault")).map_err(|error| match error {
            LocalVaultError::Missing { path: place } => {
                let lacking = "its own vault";
                Failure::HomeLacks { home: self.path.clone(), lacking, place }
            }
            error => error.into(),
        })?;
        Service::load(&self.path, vault, trail)
    }

    /// True of a directory that has states of resources: a home, whatever else it lacks.
    fn has_resources(&self) -> bool {
        let states = std::fs::read_dir(self.path.join(STATES));
        let names = states.into_iter().flatten().flatten().map(|entry| entry.file_name());
        names
            .into_iter()
            .any(|name| !name.as_encoded_bytes().starts_with(b".") && name != "_service")
    }
}

/// Does the rest of a restore of the home at `path` that was interrupted once the new home had its name, and says so.
fn finish_exchange(path: &Path) {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if let Some(aside) = exchange::finish(&path) {
        let text = format!(
            "a restore was interrupted at its last step, which is done now: {} is the restored home, and what was there \
             before is at {}",
            path.display(),
            aside.display()
        );
        print::notice("note", &text);
    }
}

/// Draws the trail's key and writes it, wrapped.
fn make_audit_key(home: &Path, vault: &LocalVault) -> Result<(), Failure> {
    let id = vault.show(AUDIT)?.versions.last().map(|version| version.id.to_string());
    let key = id.unwrap_or_default();
    let secret = Secret::<32>::generate().map_err(|_| LocalVaultError::Random)?;
    let wrapped = vault.wrap(&key_id(home, &key)?, Algorithm::A256Kw, secret.expose())?;
    files::write_json(&home.join(AUDIT_KEY), &WrappedAuditKey { key, wrapped })
}

fn key_id(home: &Path, text: &str) -> Result<KeyId, Failure> {
    let path = home.join(AUDIT_KEY);
    let reason = "it names no key";
    KeyId::new(text).map_err(|_| Failure::HomeDamaged { path, reason })
}

/// An open home.
#[derive(Debug)]
pub(crate) struct Service {
    home: PathBuf,
    vault: LocalVault,
    audit_key: AuditKey,
    /// The id of the audit trail.
    trail: Option<String>,
    caller: Caller,
    /// Its lock is shared by all who use the home, and not given to who replaces it.
    #[expect(dead_code, reason = "it is held, and not read")]
    held: Option<File>,
}

impl Service {
    fn load(home: &Path, vault: LocalVault, trail: Option<String>) -> Result<Self, Failure> {
        hint::note_vault(&vault);
        let path = home.join(AUDIT_KEY);
        let damaged = |reason| Failure::HomeDamaged { path: path.clone(), reason };
        let wrapped: WrappedAuditKey =
            files::read_json(&path)?.ok_or_else(|| damaged("it is missing"))?;
        let id = key_id(home, &wrapped.key)?;
        let secret = vault.unwrap(&id, Algorithm::A256Kw, &wrapped.wrapped);
        let secret = secret.map_err(|error| match error {
            // Not one to create anew, which unwraps nothing.
            LocalVaultError::KeyMissing { .. } => Failure::HomeLacks {
                home: home.to_owned(),
                lacking: "the key of its audit trail",
                place: vault.path().join("keys").join(AUDIT),
            },
            error => error.into(),
        })?;
        let secret: &[u8; 32] =
            secret.expose().try_into().map_err(|_| damaged("it holds another key"))?;
        let audit_key = AuditKey::new(secret);
        Ok(Self { home: home.to_owned(), vault, audit_key, trail, caller: caller()?, held: None })
    }

    /// The home's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.home
    }

    /// The service's own vault.
    pub(crate) fn vault(&self) -> &LocalVault {
        &self.vault
    }

    /// The key of the audit trail.
    pub(crate) fn audit_key(&self) -> &AuditKey {
        &self.audit_key
    }

    /// The audit trail's file.
    pub(crate) fn trail_path(&self) -> PathBuf {
        self.home.join(TRAIL)
    }

    /// The store of the trail's last line.
    pub(crate) fn head_store(&self) -> FileHeadStore {
        FileHeadStore::new(self.home.join("audit.head"), &self.audit_key)
    }

    /// The audit trail.
    pub(crate) fn trail(&self) -> JsonLines {
        let head: Arc<dyn HeadStore> = Arc::new(self.head_store());
        let trail = JsonLines::new(self.trail_path(), &self.audit_key).head_store(head);
        match &self.trail {
            Some(id) => trail.of(id),
            None => trail,
        }
    }

    /// The customers' vaults.
    pub(crate) fn customers(&self) -> CustomerVaults {
        CustomerVaults::of(&self.home)
    }

    fn store(&self) -> Result<FileStore, Failure> {
        Ok(block_on(FileStore::open(self.home.join(STATES)))
            .map_err(strongroom_keys::Error::from)?)
    }

    fn config(&self, vaults: CustomerVaults) -> Result<ResourcesConfig, Failure> {
        let name = KeyName::new(SERVICE_KEY).map_err(strongroom_keys::Error::from)?;
        let (vault, trail) = (Arc::new(self.vault.clone()), Arc::new(self.trail()));
        Ok(ResourcesConfig::new(Arc::new(self.store()?), vault, name, trail)
            .with_vaults(Arc::new(vaults))
            // A vault in a directory knows of a new permission at once.
            .with_permission_wait(Duration::ZERO))
    }

    /// The service's resources, on behalf of the user who runs this.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`].
    pub(crate) fn resources(&self) -> Result<Resources, Failure> {
        self.resources_in(self.customers())
    }

    /// The service's resources with the customers' vaults in `vaults`.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`].
    pub(crate) fn resources_in(&self, vaults: CustomerVaults) -> Result<Resources, Failure> {
        let resources = block_on(self.config(vaults)?.open())?;
        Ok(resources.on_behalf_of(self.caller.clone()))
    }

    /// The service's resources, with `pins` on one of them.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`].
    pub(crate) fn resources_with(&self, id: &ResourceId, pins: Pins) -> Result<Resources, Failure> {
        let resources = self.resources()?;
        if pins != Pins::default() {
            resources.pin(id, pins);
        }
        Ok(resources)
    }

    /// Goes on from states that are older than the audit trail knows; the resources without any state.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`].
    pub(crate) fn restore(&self) -> Result<(Vec<Restored>, Vec<ResourceId>), Failure> {
        let (_, restored, lost) = block_on(self.config(self.customers())?.restore())?;
        Ok((restored, lost))
    }

    /// Takes the states that are in doubt for the newest, on behalf of the user who runs this.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`].
    pub(crate) fn accept_states(&self) -> Result<Vec<Restored>, Failure> {
        Ok(block_on(self.resources()?.accept_states())?)
    }

    /// Closes the part of the audit trail that does not hold, on behalf of the user who runs this.
    ///
    /// # Errors
    ///
    /// [`Failure::Audit`].
    pub(crate) fn repair(&self) -> Result<Option<Repaired>, Failure> {
        Ok(self.trail().repair(SystemClock.unix_time(), Some(&platform::user()))?)
    }

    fn record(&self, event: AuditEvent) -> Result<(), Failure> {
        let auditor = Auditor::new(Arc::new(self.trail()), Arc::new(SystemClock), true);
        Ok(block_on(auditor.record(event, &self.caller))?)
    }

    /// True where the service has the resource `id`.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`] when its states cannot be listed.
    pub(crate) fn has(&self, id: &ResourceId) -> Result<bool, Failure> {
        let numbers =
            block_on(self.store()?.list(id.as_str())).map_err(strongroom_keys::Error::from)?;
        Ok(!numbers.is_empty())
    }
}

/// The environment variable that ties what a command does to the records of who runs it.
const CORRELATION: &str = "STRONGROOM_CORRELATION_ID";

/// The user who runs this, for the audit trail, and what the events of this command have in common: the value of
/// [`CORRELATION`], else 16 random hexadecimal digits.
pub(crate) fn caller() -> Result<Caller, Failure> {
    /// The same in the service's trail and in those of vaults.
    static DRAWN: OnceLock<String> = OnceLock::new();
    let named = std::env::var(CORRELATION).ok().filter(|id| !id.is_empty());
    let id = if let Some(id) = named {
        id
    } else {
        let random = Secret::<8>::generate().map_err(|_| LocalVaultError::Random)?;
        DRAWN.get_or_init(|| format!("{:016x}", u64::from_be_bytes(*random.expose()))).clone()
    };
    Ok(Caller::new(&platform::user()).correlated(&id))
}
