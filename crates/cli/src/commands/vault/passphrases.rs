//! `strongroom vault set-passphrase` and `remove-passphrase`.

use strongroom::secret::SecretVec;
use strongroom_local_vault::{LocalVault, LocalVaultError, PassphraseCost};

use super::tell;
use crate::args::{JsonOption, SetPassphraseArgs, VaultOption};
use crate::failure::Failure;
use crate::passphrase_file;
use crate::prompt;
use crate::readers::Readers;
use crate::service::HomeLocation;
use crate::vaults::Location;

/// Gives a vault a passphrase.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn set(args: SetPassphraseArgs) -> Result<(), Failure> {
    if let Some(new) = &args.new_passphrase_file {
        let readers = Readers::new(&args.vault);
        readers.check_path("the new passphrase file", new)?;
    }
    let location = Location::find(args.vault)?;
    let new = args.new_passphrase_file.as_deref();
    let new = new.map(|file| passphrase_file::read(file, &[location.path()])).transpose()?;
    let vault = open(&location, new.as_ref())?;
    if vault.path().parent().is_some_and(HomeLocation::is_at) {
        return Err(LocalVaultError::Setting {
            what: "the passphrase",
            reason: "the vault is a service's own, and the service's commands have none to give; leave it without one",
        }
        .into());
    }
    let new = match new {
        Some(new) => new,
        None => prompt::new_passphrase("--new-passphrase-file")?,
    };
    let had_one = vault.settings()?.has_passphrase;
    let vault = vault.set_passphrase(&new, PassphraseCost::default())?;
    let place = vault.path().display();
    let text = if had_one {
        format!(
            "the vault {place} opens with its new passphrase from now on; copies of it from before still open with the \
             old one"
        )
    } else {
        format!(
            "the vault {place} opens with its passphrase alone from now on, and its keys are sealed in new files; copies \
             of it and backups of its keys from before hold the keys in the clear, and so may the disk: make new \
             copies, remove those, and rotate the keys where that matters"
        )
    };
    tell(&vault, "passphrase-set", vault.id().to_string(), &text, args.json)
}

/// The vault with the passphrase that it has; with `new` where an interrupted command has set that already.
fn open(location: &Location, new: Option<&SecretVec>) -> Result<LocalVault, Failure> {
    match (location.open(), new) {
        (
            Err(
                failure @ (Failure::Passphrase(_)
                | Failure::Vault(LocalVaultError::PassphraseWrong { .. })),
            ),
            Some(new),
        ) => location.open_with(new).map_err(|_| failure),
        (opened, _) => opened,
    }
}

/// Takes a vault's passphrase away.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn remove(vault: VaultOption, json: JsonOption) -> Result<(), Failure> {
    let without = VaultOption { passphrase_file: None, ..vault.clone() };
    let vault = match Location::find(vault)?.open() {
        // An interrupted command has taken it away.
        Err(Failure::Vault(LocalVaultError::NoPassphrase { .. })) => {
            Location::find(without)?.open()
        }
        opened => opened,
    }?;
    let had_one = vault.settings()?.has_passphrase;
    let vault = vault.remove_passphrase()?;
    let place = vault.path().display();
    let text = if had_one {
        format!(
            "the vault {place} opens without a passphrase from now on: whoever can read its directory has its keys; \
             backups of its keys from before are not restored any more: make new ones"
        )
    } else {
        format!("the vault {place} has no passphrase")
    };
    tell(&vault, "passphrase-removed", vault.id().to_string(), &text, json)
}
