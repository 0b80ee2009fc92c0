//! Which vault a command uses, and how the first one comes to be.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use strongroom::wrap::WrappingKey;
use strongroom_keys::LocalVault;
use strongroom_keys::local_vault::LocalVaultError;

use crate::failure::Failure;

/// The key that is used where none is named.
pub(crate) const DEFAULT_KEY: &str = "default";

/// A vault's place.
#[derive(Debug)]
pub(crate) struct Location {
    path: PathBuf,
    named: bool,
}

impl Location {
    /// `named` on the command line or in the environment, else in the user's data directory.
    ///
    /// # Errors
    ///
    /// [`Failure::NoHome`] when there is no such directory.
    pub(crate) fn find(named: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(path) = named {
            return Ok(Self { path, named: true });
        }
        let base = etcetera::choose_base_strategy().map_err(|_| Failure::NoHome)?;
        Ok(Self { path: base.data_dir().join("strongroom").join("vault"), named: false })
    }

    /// The vault's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a vault that must be there.
    ///
    /// # Errors
    ///
    /// [`Failure::NoVault`] when it is not; [`Failure::Vault`] when it cannot be used.
    pub(crate) fn open(&self) -> Result<LocalVault, Failure> {
        match LocalVault::open(&self.path) {
            Err(LocalVaultError::Missing { path }) => {
                let next = if self.named {
                    format!(
                        "check the path, or make a new vault with: strongroom vault init --vault {}",
                        path.display()
                    )
                } else {
                    "name the vault with --vault, or make a new one with: strongroom vault init"
                        .to_owned()
                };
                Err(Failure::NoVault { path, next })
            }
            opened => Ok(opened?),
        }
    }

    /// The vault to seal with: the one that is there; where none was named and there is none, a new
    /// one.
    fn open_or_init(&self) -> Result<LocalVault, Failure> {
        match LocalVault::open(&self.path) {
            Err(LocalVaultError::Missing { .. }) if !self.named => {
                match LocalVault::init(&self.path) {
                    // Another first run was quicker.
                    Err(LocalVaultError::AlreadyInitialised { .. }) => self.open(),
                    made => Ok(made?),
                }
            }
            _ => self.open(),
        }
    }
}

/// The key to seal under: `key` of the vault at `location`. Where no key is named the first use
/// creates what is missing, the vault and its key `default`, and `notice` is called with what the
/// user must know.
///
/// # Errors
///
/// A [`Failure`] when a named vault or a named key is not there, or cannot be used.
pub(crate) fn sealing_key(
    location: &Location,
    key: Option<&str>,
    notice: impl FnOnce(&str),
) -> Result<(LocalVault, WrappingKey), Failure> {
    if let Some(name) = key {
        let vault = location.open()?;
        let key = wrapping_key(&vault, name)?;
        return Ok((vault, key));
    }
    let vault = location.open_or_init()?;
    if vault.list()?.is_empty() {
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
    }
    let key = wrapping_key(&vault, DEFAULT_KEY)?;
    Ok((vault, key))
}

fn wrapping_key(vault: &LocalVault, name: &str) -> Result<WrappingKey, Failure> {
    vault.wrapping_key(name).map_err(|error| missing_key(vault, error))
}

/// Adds the command that creates a missing key.
pub(crate) fn missing_key(vault: &LocalVault, error: LocalVaultError) -> Failure {
    match error {
        LocalVaultError::KeyMissing { ref name, .. } => Failure::NoSuchKey {
            name: name.clone(),
            vault: vault.path().to_owned(),
            source: Box::new(error),
        },
        error => error.into(),
    }
}
