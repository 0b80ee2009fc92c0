//! Choice of the vault that a command uses, and creation of the first one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy as _;
use strongroom::secret::SecretVec;
use strongroom::wrap::WrappingKey;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{
    InitOptions, KeyEntry, LocalVaultError, LockWait, OpenOptions, TrailOptions,
};

use crate::args::VaultOption;
use crate::failure::Failure;
use crate::service::caller;
use crate::{hint, passphrase_file, platform, print, prompt};

/// The key that is used where none is named.
pub(crate) const DEFAULT_KEY: &str = "default";

/// A vault's place.
#[derive(Debug)]
pub(crate) struct Location {
    path: PathBuf,
    named: bool,
    passphrase_file: Option<PathBuf>,
    lock_timeout: Option<Duration>,
}

impl Location {
    /// `named` on the command line or in the environment, else in the user's data directory.
    ///
    /// # Errors
    ///
    /// [`Failure::NoHome`] when there is no such directory.
    pub(crate) fn find(option: VaultOption) -> Result<Self, Failure> {
        let VaultOption { directory, passphrase_file, lock_timeout } = option;
        let lock_timeout = lock_timeout.map(Duration::from_secs);
        let named = directory.is_some();
        let path = directory.map_or_else(|| in_data_directory("vault"), Ok)?;
        Ok(Self { path, named, passphrase_file, lock_timeout })
    }

    /// The vault's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a vault; its passphrase is that of the options, else that of the passphrase file.
    ///
    /// # Errors
    ///
    /// [`Failure::Vault`] when there is something already, [`Failure::Read`] without the passphrase.
    pub(crate) fn init(&self, mut options: InitOptions) -> Result<LocalVault, Failure> {
        if let (None, Some(file)) = (&options.passphrase, &self.passphrase_file) {
            options.passphrase = Some(passphrase_file::read(file, &[&self.path])?);
        }
        options.lock_wait = lock_wait(self.lock_timeout);
        options.trail = trail()?;
        let vault = LocalVault::init_with(&self.path, options)?;
        hint::note_vault(&vault);
        if let Some(note) = platform::NO_PERMISSIONS {
            print::notice("note", note);
        }
        Ok(vault)
    }

    fn open_it(&self) -> Result<Result<LocalVault, LocalVaultError>, Failure> {
        open_vault(&self.path, self.passphrase_file.as_deref(), self.lock_timeout)
    }

    /// Opens a vault that must be there.
    ///
    /// # Errors
    ///
    /// [`Failure::NoVault`] when it is not; [`Failure::Vault`] when it cannot be used.
    pub(crate) fn open(&self) -> Result<LocalVault, Failure> {
        self.open_it()?.map_err(|error| self.failure(error))
    }

    /// Opens a vault that must be there with `passphrase`.
    ///
    /// # Errors
    ///
    /// As [`Location::open`].
    pub(crate) fn open_with(&self, passphrase: &SecretVec) -> Result<LocalVault, Failure> {
        let passphrase = SecretVec::from(passphrase.expose().to_vec());
        open_once(&self.path, Some(passphrase), self.lock_timeout)?
            .map_err(|error| self.failure(error))
    }

    /// The vault to seal with: the one that is there; where none was named and there is none, a new
    /// one.
    fn open_or_init(&self) -> Result<LocalVault, Failure> {
        match self.open_it()? {
            Err(LocalVaultError::Missing { .. }) if !self.named => {
                match self.init(InitOptions::default()) {
                    // Another first run was quicker.
                    Err(Failure::Vault(LocalVaultError::AlreadyInitialised { .. })) => self.open(),
                    made => made,
                }
            }
            opened => opened.map_err(|error| self.failure(error)),
        }
    }

    /// The vault's refusal to open, with what to do about a missing one.
    fn failure(&self, error: LocalVaultError) -> Failure {
        let LocalVaultError::Missing { path } = error else { return error.into() };
        let next = if self.named {
            let init = hint::strongroom("vault init", &[], &[("--vault", path.as_ref())]);
            format!(
                "check the path; where the vault was moved, name its new place; one without keys is made with: {init}"
            )
        } else {
            let init = hint::strongroom("vault init", &[], &[]);
            format!(
                "name the vault with --vault, where it was moved to or another; one without keys is made with: {init}"
            )
        };
        Failure::NoVault { path, next }
    }
}

/// Opens the vault at `path` with the passphrase in `passphrase_file`; without such a file a vault that
/// has a passphrase asks for it at the terminal. Changes wait `lock_timeout` for those of others.
///
/// # Errors
///
/// [`Failure::Read`] when the passphrase cannot be read. The inner error is the vault's.
pub(crate) fn open_vault(
    path: &Path,
    passphrase_file: Option<&Path>,
    lock_timeout: Option<Duration>,
) -> Result<Result<LocalVault, LocalVaultError>, Failure> {
    let open = |passphrase| open_once(path, passphrase, lock_timeout);
    let given = passphrase_file.map(|file| passphrase_file::read(file, &[path]));
    let opened = open(given.transpose()?)?;
    if let Err(LocalVaultError::PassphraseNeeded { .. }) = opened
        && let Some(typed) =
            prompt::passphrase(&format!("passphrase of the vault {}", path.display()))?
    {
        return open(Some(typed));
    }
    Ok(opened)
}

/// Opens the vault at `path` with `passphrase`, and asks nobody.
fn open_once(
    path: &Path,
    passphrase: Option<SecretVec>,
    lock_timeout: Option<Duration>,
) -> Result<Result<LocalVault, LocalVaultError>, Failure> {
    let (lock_wait, trail) = (lock_wait(lock_timeout), trail()?);
    let options = OpenOptions { passphrase, lock_wait, trail, ..OpenOptions::default() };
    Ok(LocalVault::open_with(path, options).inspect(hint::note_vault))
}

/// The user who runs this, for the vault's audit trail.
fn trail() -> Result<TrailOptions, Failure> {
    Ok(TrailOptions { caller: caller()?, notice: Some(say_unrecorded) })
}

fn say_unrecorded(what: &str) {
    print::notice("warning", what);
}

fn lock_wait(most: Option<Duration>) -> LockWait {
    LockWait { most, notice: Some(say_waiting) }
}

fn say_waiting(vault: &Path) {
    let vault = vault.display();
    print::notice(
        "note",
        &format!("waiting for another command that is changing the vault {vault}"),
    );
}

/// A place beside the default vault.
///
/// # Errors
///
/// [`Failure::NoHome`] when the user has no data directory, [`Failure::EmptyHome`] when `HOME` names none.
pub(crate) fn in_data_directory(name: &str) -> Result<PathBuf, Failure> {
    // The system's list of users has another home: the keys would be where nobody expects them.
    let has_no_text = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    if std::env::var_os("HOME").is_some_and(|home| home.is_empty()) && has_no_text("XDG_DATA_HOME")
    {
        return Err(Failure::EmptyHome);
    }
    let base = etcetera::choose_base_strategy().map_err(|_| Failure::NoHome)?;
    Ok(base.data_dir().join("strongroom").join(name))
}

/// The keys to seal under: those `named` of the vault at `location`. Where none is named the first use
/// creates what is missing, the vault and its key `default`, and `notice` is called with what the
/// user must know.
///
/// # Errors
///
/// A [`Failure`] when a named vault or a named key is not there, or cannot be used.
pub(crate) fn sealing_keys(
    location: &Location,
    named: &[String],
    notice: impl FnOnce(&str),
) -> Result<(LocalVault, Vec<WrappingKey>), Failure> {
    if !named.is_empty() {
        let repeated = named.iter().enumerate().find(|(at, name)| named[..*at].contains(name));
        if let Some((_, name)) = repeated {
            return Err(Failure::Usage(format!("--key {name} is given twice; name each key once")));
        }
        let vault = location.open()?;
        let keys = named.iter().map(|name| wrapping_key(&vault, name)).collect::<Result<_, _>>()?;
        return Ok((vault, keys));
    }
    let vault = location.open_or_init()?;
    let key = match wrapping_key(&vault, DEFAULT_KEY) {
        // A damaged key that is not asked for does not matter here, and the vault is not empty with it.
        // With the default key alone, another first run has created it since the line above.
        Err(Failure::NoSuchKey { .. }) if matches!(vault.list(), Ok(keys) if only_default(&keys)) =>
        {
            match vault.create(DEFAULT_KEY) {
                Ok(_) => notice(&format!(
                    "created the key \"{DEFAULT_KEY}\" in the vault {}: documents open with this key \
                     alone, so keep a copy of the directory in a safe place; losing it loses the \
                     documents",
                    vault.path().display()
                )),
                // Another first run was quicker.
                Err(LocalVaultError::KeyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            wrapping_key(&vault, DEFAULT_KEY)
        }
        found => found,
    }?;
    Ok((vault, vec![key]))
}

fn only_default(keys: &[KeyEntry]) -> bool {
    keys.iter().all(|key| key.name.as_str() == DEFAULT_KEY)
}

fn wrapping_key(vault: &LocalVault, name: &str) -> Result<WrappingKey, Failure> {
    Ok(vault.wrapping_key(name)?)
}
