//! Errors of the library as sentences of the command: the library names the step, and this the command that takes it.

use std::path::Path;

use strongroom_keys::audit::AuditError;

use strongroom_keys::Error;
use strongroom_keys::resource::{Cause, NextStep, ResourceId};
use strongroom_keys::state::{FileStore, StateError};
use strongroom_keys::vault::{DeniedReason, VaultError};
use strongroom_local_vault::{LocalVault, LocalVaultError};

use crate::hint;
use crate::service::{HomeLocation, STATES};
use crate::time::display_time;

/// A vault's `error`, with the command of its next step.
pub(super) fn vault_sentence(error: &LocalVaultError) -> String {
    let command = match error {
        LocalVaultError::KeyExists { vault, name } => hint::with_vault("vault rotate", name, vault),
        LocalVaultError::KeyDeleted { vault, name, .. } => {
            hint::with_vault("vault recover", name, vault)
        }
        LocalVaultError::PurgeProtected { name, .. } => {
            hint::strongroom("vault recover", &[name.as_str().into()], &[])
        }
        LocalVaultError::KeyDisabled { id } => hint::on_version("vault enable", id, &[]),
        LocalVaultError::NotYetValid { id, .. } => {
            hint::on_version("vault set-dates", id, &[("--not-before", "none".as_ref())])
        }
        LocalVaultError::Expired { id, .. } => hint::on_key("vault rotate", id),
        LocalVaultError::TooManyVersions { .. } => hint::strongroom("vault create NAME", &[], &[]),
        LocalVaultError::Identity { vault, identity } => {
            hint::with_vault("vault grant", identity, vault)
        }
        LocalVaultError::Trail { source } => return vault_trail_sentence(error, source),
        LocalVaultError::Damaged { path, reason } => {
            let root = path.ancestors().skip(1).find(|root| LocalVault::is_at(root));
            return damage_sentence(path, reason, root.or(path.parent()), "vault");
        }
        LocalVaultError::Missing { path } => {
            return format!(
                "there is no vault at {}; bring its directory back, or name another with --vault",
                path.display()
            );
        }
        LocalVaultError::NoPassphrase { path } => {
            return format!(
                "the vault {} has no passphrase: check that it is the right one, and leave out --passphrase-file and \
                 STRONGROOM_PASSPHRASE_FILE",
                path.display()
            );
        }
        LocalVaultError::AlreadyInitialised { .. }
        | LocalVaultError::NotEmpty { .. }
        | LocalVaultError::FileSystem { .. }
        | LocalVaultError::VersionMissing { .. }
        | LocalVaultError::OtherVault { .. } => return format!("{error}, with --vault"),
        LocalVaultError::PassphraseChanged { .. } => {
            return format!("{error}, by running the same command again");
        }
        LocalVaultError::Random => return format!("{error}; run the same command again"),
        error => return error.to_string(),
    };
    format!("{error} with: {command}")
}

/// The damage of the file `path` of the vault or the home (`store`) in `root`, with the command that puts one of a copy
/// in its place.
pub(super) fn damage_sentence(
    path: &Path,
    reason: &str,
    root: Option<&Path>,
    store: &str,
) -> String {
    let copy = hint::copy_back(root.unwrap_or(path), path);
    let path = path.display();
    format!(
        "{path} is damaged: {reason}; put the file of a copy of the {store} in its place, with: {copy}"
    )
}

fn vault_trail_sentence(error: &LocalVaultError, source: &AuditError) -> String {
    match source {
        AuditError::Exposed { path, .. } => {
            format!("{error} with: {}", hint::make_private(path, 0o600))
        }
        source if source.is_damage() => {
            let vault = source.path().and_then(Path::parent);
            let options = vault.map(|vault| ("--vault", vault.as_os_str()));
            let repair = hint::strongroom("vault audit --repair", &[], options.as_slice());
            format!("{error} with: {repair}")
        }
        _ => error.to_string(),
    }
}

/// A resource's `error`, with the command of its next step.
pub(super) fn resource_sentence(error: &Error) -> String {
    let on = |command: &str, resource: &ResourceId| {
        hint::strongroom(command, &[resource.as_str().into()], &[])
    };
    match error {
        Error::NotFound { resource } => format!(
            "there is no resource {resource}; see which there are with: {}, or create it with: {}",
            hint::strongroom("resource list", &[], &[]),
            hint::create_resource(resource.as_str())
        ),
        Error::WrongState { resource, next, .. } => {
            let command = match &**next {
                NextStep::EnableCmk => hint::enable_cmk(resource.as_str()),
                NextStep::DisableCmk => on("resource disable-cmk", resource),
                NextStep::FinishRotation { from, to } => {
                    let other =
                        (from.vault() != to.vault()).then(|| hint::directory_of(to.vault()));
                    let mut options = vec![
                        ("--key", to.name().as_str().as_ref()),
                        ("--key-version", to.version().as_ref()),
                    ];
                    options.extend(other.as_ref().map(|vault| ("--vault", vault.as_os_str())));
                    hint::strongroom("resource rotate-cmk", &[resource.as_str().into()], &options)
                }
                NextStep::Refresh | NextStep::KeyIsBack => on("resource refresh", resource),
                NextStep::Restore => on("resource restore", resource),
                NextStep::CreateAnother => hint::create_resource("NAME"),
            };
            format!("{error} with: {command}")
        }
        Error::Denied { resource, cause, since } => {
            let since = display_time(*since);
            let start = format!("no access to the resource {resource} since {since}: {cause}");
            match cause {
                Cause::ResourceDeleted => {
                    format!("{start}, with: {}", on("resource restore", resource))
                }
                Cause::OtherTenant => format!(
                    "{start}, with: {}, and then: {}",
                    hint::strongroom(
                        "resource moved-to-tenant",
                        &[resource.as_str().into(), "TENANT".into()],
                        &[]
                    ),
                    on("resource refresh", resource)
                ),
                _ => format!("{start}, with: {}", on("resource refresh", resource)),
            }
        }
        Error::Expired { expires_at } => {
            let expired = display_time(*expires_at);
            format!("the document expired at {expired} and is not opened any more")
        }
        Error::Unreachable { resource, source } => {
            let reason = resource_sentence(source);
            if reason == source.to_string() {
                return error.to_string();
            }
            format!("the resource {resource} cannot be used: {reason}")
        }
        Error::NotRefreshed { resource } => format!(
            "the keys of the resource {resource} were not refreshed in time; run the same command again"
        ),
        Error::NoVault { key, .. } => format!(
            "the service's home does not know the vault of {key}; record its place with: {}",
            hint::strongroom("service move-vault", &[], &[("--vault", "DIR".as_ref())])
        ),
        Error::ForeignDocument { resource, wrapped_by } => {
            foreign_sentence(error, resource, wrapped_by)
        }
        Error::Pinned { .. } => {
            format!("{error}, or give the --least-epoch and --require-cmk that hold of it")
        }
        Error::Unrecorded { done, source } => {
            format!("{done}, but that could not be recorded: {}", audit_sentence(source))
        }
        Error::Kept { resource, source } => format!(
            "access to the resource {resource} is refused now, and what is to be withdrawn is recorded: it is carried \
             out once the states are restored; {}",
            state_sentence(source)
        ),
        Error::Vault(VaultError::Denied { reason, key: Some(key) }) => {
            refusal_sentence(error, *reason, &key.to_string())
        }
        Error::Audit(error) => audit_sentence(error),
        Error::State(error) => state_sentence(error),
        Error::Time { .. } => format!("{error} with --accept-time"),
        error => error.to_string(),
    }
}

/// The `error` of a vault that refused the key `id`.
fn refusal_sentence(error: &Error, reason: DeniedReason, id: &str) -> String {
    match reason {
        DeniedReason::KeyDisabled => {
            format!("{error} with: {}", hint::on_version("vault enable", id, &[]))
        }
        DeniedReason::KeyMissing => {
            let recover = format!("{error} with: {}", hint::on_key("vault recover", id));
            let directory = hint::directory_of(&hint::vault_of(id));
            if !directory.parent().is_some_and(HomeLocation::is_at) {
                return recover;
            }
            format!(
                "{recover}; where it was not deleted, restore the home from a backup with: {}",
                hint::from_backup()
            )
        }
        _ => error.to_string(),
    }
}

/// The `error` of a document under `keys`, which the states of `resource` lack: it may have lost them.
fn foreign_sentence(error: &Error, resource: &ResourceId, keys: &str) -> String {
    if !keys.contains(&format!("resource/{resource}/")) {
        return format!("{error}; name the resource that it is of, or leave out --resource");
    }
    let options = [("--from", "BACKUP".as_ref()), ("--home", "OTHER".as_ref())];
    format!(
        "the document is wrapped by {keys}, and the states of the resource {resource} have no such key: where they are \
         from a backup that was made before the key, look for it in a newer one, with: {}",
        hint::strongroom("service restore", &[], &options)
    )
}

fn state_sentence(error: &StateError) -> String {
    match error {
        StateError::RolledBack { .. } | StateError::Replaced { .. } => format!(
            "{error}; where they are lost, go on from the older ones with: {}",
            hint::strongroom("service restore", &[], &[])
        ),
        StateError::InDoubt { .. } => format!(
            "{error}; bring a newer one back where there is one, or confirm that there is none, with: {}",
            hint::accept_states()
        ),
        StateError::Missing { name } => format!(
            "the service's home lacks the states in {}; restore it from a backup with: {}",
            Path::new(STATES).join(name).display(),
            hint::from_backup()
        ),
        StateError::Invalid { name, number, reason } => format!(
            "the file {} of the service's home is damaged: {reason}; nothing older is used in its place: restore the home \
             from a backup with: {}",
            Path::new(STATES).join(FileStore::path_of(name, *number)).display(),
            hint::from_backup()
        ),
        StateError::Exposed { path, .. } => {
            format!("{error} with: {}", hint::make_private(path, 0o700))
        }
        StateError::Io { .. } => {
            format!("{error}; check what is there, its permissions, and the disk")
        }
        error => error.to_string(),
    }
}

/// The `error` of a home's audit trail, with the command that goes on after damage.
pub(super) fn audit_sentence(error: &AuditError) -> String {
    if let AuditError::Exposed { path, .. } = error {
        return format!("{error} with: {}", hint::make_private(path, 0o600));
    }
    if !error.is_damage() {
        return error.to_string();
    }
    let repair = hint::strongroom("audit repair", &[], &[]);
    format!("{error}; close the damaged part, and go on, with: {repair}")
}
