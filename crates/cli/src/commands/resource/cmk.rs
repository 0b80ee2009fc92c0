//! `strongroom resource enable-cmk` and `rotate-cmk`.

use strongroom_keys::block_on;
use strongroom_keys::resource::{EnableCmk, NamedVault, NextStep, OnKeyLoss, Scope};
use strongroom_keys::vault::{DeniedReason, VaultError, VersionedKeyId};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{LocalKeyId, LocalVaultError};

use super::{Keys, tell};
use crate::args::{
    EnableCmkArgs, OnKeyLossOption, ResourceArgs, RotateCmkArgs, ScopeOption, VaultOption,
};
use crate::failure::Failure;
use crate::service::{CustomerVault, CustomerVaults, HomeLocation, Service};

/// Puts a resource under a customer's key.
///
/// # Errors
///
/// A [`Failure`] when the key will not do; then nothing has changed.
pub(super) fn enable(args: EnableCmkArgs) -> Result<(), Failure> {
    let ResourceArgs { name, pins, home, json } = args.resource;
    let service = HomeLocation::find(home)?.open()?;
    // Before the vault is opened: a name that is not there is said at once.
    block_on(service.resources_with(&name, pins.pins())?.status(&name))?;
    let (vault, key, vaults) =
        named_key(&service, args.vault, &args.key, args.key_version.as_deref())?;
    let with = EnableCmk {
        scope: match args.scope {
            ScopeOption::Models => Scope::Models,
            ScopeOption::ModelsAndResults => Scope::ModelsAndResults,
        },
        on_key_loss: match args.on_key_loss {
            OnKeyLossOption::Block => OnKeyLoss::Block,
            OnKeyLossOption::Shred => OnKeyLoss::CryptoShred { grace: args.grace },
        },
        documents_before: args.documents_before,
        ..EnableCmk::new(key, &args.identity)
    };
    block_on(service.resources_in(vaults.clone())?.enable_cmk(&name, &with))
        .map_err(|error| not_granted(error, &args.identity, &vault))?;
    vaults.record()?;
    let text = format!(
        "is under {} as well: what is sealed from now on needs this key and the service's",
        with.key
    );
    tell(&name, "cmk-enabled", &text, Keys::New, json)
}

/// Goes over to another version or key.
///
/// # Errors
///
/// A [`Failure`]; the old key then serves on, and the same command resumes where it stopped.
pub(super) fn rotate(args: RotateCmkArgs) -> Result<(), Failure> {
    let ResourceArgs { name, pins, home, json } = args.resource;
    let service = HomeLocation::find(home)?.open()?;
    let status = block_on(service.resources_with(&name, pins.pins())?.status(&name))?;
    let Some(cmk) = &status.cmk else {
        return Err(strongroom_keys::Error::WrongState {
            resource: name,
            state: status.protection.name(),
            operation: "rotate the customer-managed key",
            next: Box::new(NextStep::EnableCmk),
        }
        .into());
    };
    let mut vault = args.vault;
    if vault.directory.is_none()
        && let Some(known) = service.customers().get(cmk.key.vault())?
    {
        vault.directory = Some(known.directory);
        vault.passphrase_file = vault.passphrase_file.or(known.passphrase_file);
    }
    let key = args.key.as_deref().unwrap_or(cmk.key.name().as_str());
    let (vault, to, vaults) = named_key(&service, vault, key, args.key_version.as_deref())?;
    block_on(service.resources_in(vaults.clone())?.rotate_cmk(&name, &to))
        .map_err(|error| not_granted(error, &cmk.identity, &vault))?;
    vaults.record()?;
    let text = format!(
        "is under {to} now; what is sealed already opens as before, and {} is not needed any more",
        cmk.key
    );
    if cmk.key == to {
        return tell(&name, "cmk-rotated", &format!("is under {to} as before"), Keys::Same, json);
    }
    // Earlier backups need the old one.
    tell(&name, "cmk-rotated", &text, Keys::New, json)
}

/// Adds the command that grants what an identity lacks in `vault`.
fn not_granted(error: strongroom_keys::Error, identity: &str, vault: &LocalVault) -> Failure {
    use DeniedReason::{Identity, Permission};
    let strongroom_keys::Error::Vault(VaultError::Denied { reason: Permission | Identity, .. }) =
        &error
    else {
        return error.into();
    };
    let grants = vault.identities().ok().and_then(|mut known| known.remove(identity));
    Failure::NotGranted {
        source: Box::new(error),
        identity: identity.to_owned(),
        is_disabled: grants.is_some_and(|grants| !grants.enabled),
        vault: vault.path().to_owned(),
    }
}

/// A vault, the id of a key of it, and the home's vaults with that one.
fn named_key(
    service: &Service,
    option: VaultOption,
    key: &str,
    version: Option<&str>,
) -> Result<(LocalVault, VersionedKeyId, CustomerVaults), Failure> {
    let lock_timeout = option.lock_timeout();
    let (vault, location) = CustomerVault::find(option, service.path())?;
    let id = versioned(&vault, key, version)?;
    let id = VersionedKeyId::try_from(&id).map_err(strongroom_keys::Error::from)?;
    let named = NamedVault { id: id.vault().to_owned(), location, moved: false };
    let vaults = service.named(named, lock_timeout)?;
    Ok((vault, id, vaults))
}

fn versioned(
    vault: &LocalVault,
    key: &str,
    version: Option<&str>,
) -> Result<LocalKeyId, LocalVaultError> {
    let entry = vault.show(key)?;
    let found = match version {
        Some(prefix) => Some(entry.version(prefix)?),
        None => entry.versions.last(),
    };
    found.map(|one| one.id.clone()).ok_or_else(|| LocalVaultError::KeyMissing {
        vault: vault.path().to_owned(),
        name: key.to_owned(),
        existing: Vec::new(),
    })
}
