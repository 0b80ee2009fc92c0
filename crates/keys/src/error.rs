//! The error of this crate: the reason why an operation on a resource failed.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::audit::AuditError;
use crate::id::{InvalidResourceId, ResourceId};
use crate::state::StateError;
use crate::time::Rfc3339;
use crate::vault::{DeniedReason, InvalidKeyId, VaultError, VersionedKeyId};

/// The reason why access has ended.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::Cause;
/// use strongroom_keys::vault::DeniedReason;
///
/// assert!(Cause::Vault(DeniedReason::KeyDisabled).is_key_loss());
/// // What the vault did not say of the key itself destroys nothing.
/// assert!(!Cause::Vault(DeniedReason::Firewall).is_key_loss());
/// assert!(!Cause::Revoked.is_key_loss());
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The vault refused the key.
    Vault(DeniedReason),
    /// `revoke_now` was called.
    Revoked,
    /// The host said that the identity is disabled, or the vault did for the cache's whole time.
    IdentityDisabled,
    /// The resource was moved to another tenant.
    OtherTenant,
    /// The host deleted the resource.
    ResourceDeleted,
}

impl Cause {
    /// True where the vault withdrew the key itself: only this may lead to shredding.
    #[must_use]
    pub fn is_key_loss(self) -> bool {
        use DeniedReason::{KeyDisabled, KeyMissing, Permission};
        matches!(self, Self::Vault(KeyMissing | KeyDisabled | Permission))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault(reason) => write!(f, "{reason}, then refresh the resource"),
            Self::Revoked => f.write_str("it was revoked; refresh the resource to undo that"),
            Self::IdentityDisabled => {
                f.write_str("its identity is disabled; enable it, then refresh the resource")
            }
            Self::OtherTenant => f.write_str(
                "it was moved to another tenant; move it back, then refresh the resource",
            ),
            Self::ResourceDeleted => f.write_str("it was deleted; restore the resource in time"),
        }
    }
}

/// Step that leads out of a state which does not take an operation.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::NextStep;
///
/// assert!(NextStep::EnableCmk.to_string().contains("customer-managed key"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// A customer-managed key is enabled.
    EnableCmk,
    /// The customer-managed key is disabled.
    DisableCmk,
    /// The rotation is finished, or abandoned.
    FinishRotation {
        /// The key in use.
        from: VersionedKeyId,
        /// The key that the rotation was begun to.
        to: VersionedKeyId,
    },
    /// The resource is refreshed.
    Refresh,
    /// The deletion is undone.
    Restore,
    /// Its key is back: access is restored, or the customer withdraws the key for good.
    KeyIsBack,
    /// Nothing leads out of it.
    CreateAnother,
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnableCmk => f.write_str("enable a customer-managed key first"),
            Self::DisableCmk => {
                f.write_str("where that is meant, disable the customer-managed key first")
            }
            Self::FinishRotation { to, .. } => write!(
                f,
                "rotate to the key in use to abandon the rotation, or finish it by rotating to {to}"
            ),
            Self::Refresh => f.write_str("wait until it is due, or refresh it once the key is back"),
            Self::Restore => f.write_str("wait until it is due, or restore it"),
            Self::KeyIsBack => f.write_str(
                "its key is back: have the customer withdraw the key for good, or refresh the resource",
            ),
            Self::CreateAnother => f.write_str("its keys are destroyed; create another resource"),
        }
    }
}

/// The reason why an operation on a resource failed. A message names the thing and the next step, and
/// carries no key material.
///
/// # Example
///
/// ```
/// use strongroom_keys::Error;
/// use strongroom_keys::resource::{Cause, ResourceId};
///
/// let resource = ResourceId::new("contoso")?;
/// let error = Error::Denied { resource, cause: Cause::Revoked, since: 1_800_000_000 };
/// assert!(error.to_string().contains("refresh"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No such resource, or its state is lost. It is never taken for a new one.
    #[error("there is no resource {resource}: create it, or restore its state from a backup")]
    NotFound {
        /// The resource.
        resource: ResourceId,
    },
    /// There is one of this name.
    #[error("there is a resource {resource} already: choose another name")]
    AlreadyExists {
        /// The resource.
        resource: ResourceId,
    },
    /// An argument has a value that cannot work.
    #[error("{reason}")]
    Argument {
        /// The argument, and a value that would work.
        reason: String,
    },
    /// The resource is in another state than that takes.
    #[error("cannot {operation}: the resource {resource} is {state}; {next}")]
    WrongState {
        /// The resource.
        resource: ResourceId,
        /// Its state.
        state: &'static str,
        /// The operation.
        operation: &'static str,
        /// The next step.
        next: Box<NextStep>,
    },
    /// No access.
    #[error("no access to the resource {resource}, since {}: {cause}", Rfc3339(*since))]
    Denied {
        /// The resource.
        resource: ResourceId,
        /// The reason.
        cause: Cause,
        /// Start of the denial, in seconds since 1970.
        since: u64,
    },
    /// Its keys are destroyed.
    #[error(
        "the resource {resource} was shredded: its keys are destroyed and nothing opens its data"
    )]
    Shredded {
        /// The resource.
        resource: ResourceId,
    },
    /// The cached keys' time is up, and the vault does not answer.
    #[error("the resource {resource} cannot be used: {}", self.reason())]
    Unreachable {
        /// The resource.
        resource: ResourceId,
        /// The error of the last attempt.
        source: Box<Error>,
    },
    /// The cached keys' time is up, and nothing asked the vault meanwhile.
    #[error(
        "the keys of the resource {resource} were not refreshed in time: spawn `Resources::run`"
    )]
    NotRefreshed {
        /// The resource.
        resource: ResourceId,
    },
    /// The resource may not have a customer-managed key.
    #[error("the resource {resource} cannot have a customer-managed key: {reason}")]
    NotEligible {
        /// The resource.
        resource: ResourceId,
        /// The reason, and the remedy.
        reason: Ineligible,
    },
    /// The key cannot be a customer-managed key.
    #[error("the key {key} cannot be a customer-managed key: {reason}")]
    UnsuitableKey {
        /// The key.
        key: VersionedKeyId,
        /// The reason, and the remedy.
        reason: String,
    },
    /// The host gave no vault for a key.
    #[error("no vault for the key {key}: configure {} with the identity {identity:?}", key.vault())]
    NoVault {
        /// The key.
        key: VersionedKeyId,
        /// The identity for requests to its vault.
        identity: String,
    },
    /// A key that was unwrapped, or is in a state, is another one than it should be.
    #[error("{key} does not come out of what is recorded of it: restore the state from a backup")]
    WrongKey {
        /// The key.
        key: String,
    },
    /// A header names no key of the resource.
    #[error("the document is wrapped by {wrapped_by}, no key of the resource {resource}")]
    ForeignDocument {
        /// The resource.
        resource: ResourceId,
        /// The ids in the header.
        wrapped_by: String,
    },
    /// The hour is over and its key is destroyed.
    #[error("the document expired at {} and is not opened any more", Rfc3339(*expires_at))]
    Expired {
        /// Time of expiry, in seconds since 1970.
        expires_at: u64,
    },
    /// The clock is not believed: keys are destroyed by a time that something speaks for.
    #[error(
        "the clock says {} and it should be about {} by the last time that was recorded: no key is destroyed by a \
         clock that may be wrong; set the clock, or confirm it", Rfc3339(*now), Rfc3339(*expected)
    )]
    Time {
        /// The clock's time, in seconds since 1970.
        now: u64,
        /// The time that was recorded last, and what has passed since.
        expected: u64,
    },
    /// The state is older than the host has pinned.
    #[error("the state of {resource} is not what was pinned: {reason}; restore its newest state")]
    Pinned {
        /// The resource.
        resource: ResourceId,
        /// The reason.
        reason: String,
    },
    /// Others changed the resource again and again.
    #[error("others change the resource {resource} at the same time; try again")]
    Contended {
        /// The resource.
        resource: ResourceId,
    },
    /// A lease's key is not in use any more.
    #[error(
        "the keys of the resource {resource} were replaced or withdrawn: open the document again"
    )]
    LeaseEnded {
        /// The resource.
        resource: ResourceId,
    },
    /// The vault did not do what was asked.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The operation could not be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Something was done, and written, and its outcome could not be recorded.
    #[error("{done}, and that could not be recorded: {source}")]
    Unrecorded {
        /// The act, with the resource.
        done: String,
        /// The error of the audit trail.
        source: AuditError,
    },
    /// The newest state is not there, so that nothing was written. It is recorded what is to be withdrawn, and carried out
    /// once the states are restored.
    #[error(
        "access to the resource {resource} is refused now, and what is to be withdrawn is recorded: it is carried out \
         once the states are restored; {source}"
    )]
    Kept {
        /// The resource.
        resource: ResourceId,
        /// The error of the state.
        source: StateError,
    },
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The engine failed.
    #[error("cannot {doing}: {reason}")]
    Engine {
        /// The activity.
        doing: &'static str,
        /// The reason.
        reason: String,
    },
}

/// The reason why a document of a resource is not sealed or opened.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::DocumentError;
///
/// let error = DocumentError::from(strongroom::Error::Authentication);
/// assert!(matches!(error, DocumentError::Document(_)));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The resource does not permit it, or not any more.
    #[error(transparent)]
    Resource(#[from] Error),
    /// The document, its input or its output.
    #[error(transparent)]
    Document(#[from] strongroom::Error),
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, error)
    }
}

/// The reason why a resource may not have a customer-managed key.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::Ineligible;
///
/// assert!(Ineligible::Tier.to_string().contains("tier"));
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// Its tier has none.
    #[error("its tier does not include one; move it to a tier that does")]
    Tier,
    /// It was created before 2020-05-11.
    #[error("it was created before 2020-05-11; create a new one and move the data there")]
    Created {
        /// Time of its creation, in seconds since 1970.
        at: u64,
    },
    /// The vault is in another tenant, or does not say in which.
    #[error(
        "it is in the tenant {resource} and the vault in {}; use a vault of its tenant",
        place(vault.as_deref())
    )]
    Tenant {
        /// The resource's.
        resource: String,
        /// The vault's.
        vault: Option<String>,
    },
    /// The vault is in another region, or does not say in which.
    #[error(
        "it is in the region {resource} and the vault in {}; use a vault of its region",
        place(vault.as_deref())
    )]
    Region {
        /// The resource's.
        resource: String,
        /// The vault's.
        vault: Option<String>,
    },
    /// No identity to ask the vault as.
    #[error("no identity was given to ask the vault as; give the resource one")]
    Identity,
}

fn place(named: Option<&str>) -> &str {
    named.unwrap_or("one that it does not name")
}

impl Error {
    /// The reason why a vault does not answer, without the resource. Damage does not heal, nor does a trail that
    /// cannot be written: their own messages name the step. The vault's own reason comes last: it may end with a command.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unreachable { source, .. } => match &**source {
                Self::Vault(VaultError::Unavailable { reason, retry_after }) => {
                    let delay = retry_after
                        .map_or_else(String::new, |delay| format!(", in {} s", delay.as_secs()));
                    format!(
                        "the vault cannot be reached at the moment, and it comes back by itself when the vault answers\
                         {delay}: {reason}"
                    )
                }
                source => source.to_string(),
            },
            error => error.to_string(),
        }
    }

    pub(crate) fn engine(doing: &'static str) -> impl FnOnce(strongroom::Error) -> Self {
        move |error| Self::Engine { doing, reason: error.to_string() }
    }
}

impl From<InvalidResourceId> for Error {
    fn from(error: InvalidResourceId) -> Self {
        Self::Argument { reason: error.to_string() }
    }
}

impl From<InvalidKeyId> for Error {
    fn from(error: InvalidKeyId) -> Self {
        VaultError::from(error).into()
    }
}
