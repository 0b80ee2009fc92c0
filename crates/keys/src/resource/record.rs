//! The state of a resource, as data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::audit::{is_unsafe, printable};
use crate::error::{Cause, Error, NextStep};
use crate::id::{KeyLabel, ResourceId};
use crate::key_ring::{KeyRecord, Layer, WrappedKeys};
use crate::vault::VersionedKeyId;
use strongroom_vault::hex;

/// The description of a resource to create. It has no key of the customer's: that comes with `enable_cmk`.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{NewResource, ResourceId};
///
/// let new = NewResource {
///     id: ResourceId::new("contoso-7")?,
///     tenant: "72f988bf".into(),
///     region: "westeurope".into(),
///     cmk_allowed: true,
///     created_at: None, // now
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewResource {
    /// Its name.
    pub id: ResourceId,
    /// The tenant that owns it.
    pub tenant: String,
    /// The region that it is in.
    pub region: String,
    /// True where its tier allows a customer-managed key.
    pub cmk_allowed: bool,
    /// The time at which the host made it, in seconds since 1970; now where it is not given.
    pub created_at: Option<u64>,
}

impl NewResource {
    /// Refuses a tenant or a region that is empty or would command a terminal.
    pub(super) fn check(&self) -> Result<(), Error> {
        let id = &self.id;
        if self.tenant.is_empty() || self.region.is_empty() {
            let reason = format!("the resource {id} needs a tenant and a region; give both");
            return Err(Error::Argument { reason });
        }
        require_plain("the tenant", &self.tenant)?;
        require_plain("the region", &self.region)
    }
}

/// Refuses `text`, which the caller gave for `what`, where a character in it would command a terminal: it comes out
/// in messages, states and the audit trail.
pub(super) fn require_plain(what: &str, text: &str) -> Result<(), Error> {
    if text.chars().any(is_unsafe) {
        let text = printable(text);
        let reason = format!("{what} \"{text}\" has control characters; give it without them");
        return Err(Error::Argument { reason });
    }
    Ok(())
}

/// The documents of a resource that the customer's key covers.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{DocumentKind, Scope};
///
/// assert!(Scope::ModelsAndResults.covers(DocumentKind::Result));
/// assert!(!Scope::Models.covers(DocumentKind::Result));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Models only.
    Models,
    /// Models, and results of analyses.
    ModelsAndResults,
}

impl Scope {
    /// True where documents of this kind get the customer's layer.
    #[must_use]
    pub fn covers(self, kind: DocumentKind) -> bool {
        self == Self::ModelsAndResults || kind == DocumentKind::Model
    }
}

/// The kind of a document, as a [`Scope`] distinguishes them.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::DocumentKind;
///
/// assert_ne!(DocumentKind::Model, DocumentKind::Result);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A model.
    Model,
    /// The result of an analysis.
    Result,
}

impl DocumentKind {
    /// The time in seconds for which a document of this kind is kept where its request names no expiry: results for
    /// 24 hours from their completion, models for ever.
    #[must_use]
    pub fn lifetime(self) -> Option<u64> {
        match self {
            Self::Model => None,
            Self::Result => Some(24 * 3600),
        }
    }
}

/// The fate of the data when the vault withdraws the customer's key.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::OnKeyLoss;
///
/// assert_eq!(OnKeyLoss::default(), OnKeyLoss::Block);
/// assert_eq!(OnKeyLoss::crypto_shred(), OnKeyLoss::CryptoShred { grace: 24 * 3600 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnKeyLoss {
    /// It cannot be read until the key is back.
    #[default]
    Block,
    /// It cannot be read, and once the key was gone for so long, `shred_due` destroys all keys of the
    /// resource. That cannot be undone.
    CryptoShred {
        /// In seconds.
        grace: u64,
    },
}

impl OnKeyLoss {
    /// Shredding after 24 hours.
    #[must_use]
    pub fn crypto_shred() -> Self {
        Self::CryptoShred { grace: 24 * 3600 }
    }
}

/// The customer-managed key of a resource, and how it was chosen.
///
/// # Example
///
/// ```no_run
/// # fn show(status: &strongroom_keys::resource::Status) {
/// if let Some(cmk) = &status.cmk {
///     println!("{} as {}", cmk.key, cmk.identity);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cmk {
    /// The key, with its version.
    pub key: VersionedKeyId,
    /// SHA-256 of its `SubjectPublicKeyInfo`: what this version is pinned by.
    #[serde(with = "hex")]
    pub thumbprint: Vec<u8>,
    /// The identity for requests to the vault.
    pub identity: String,
    /// The documents that it covers.
    pub scope: Scope,
    /// The fate of the data when it is lost.
    pub on_key_loss: OnKeyLoss,
    /// Time at which it was enabled, in seconds since 1970.
    pub enabled_at: u64,
}

/// The keys that a resource is under, and whether they may be used. `Unreachable` is not such a state: it is in
/// memory only, see [`Reachability`](super::Reachability).
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::Protection;
///
/// assert_eq!(Protection::ServiceManaged.name(), "service-managed");
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Protection {
    /// The service's keys alone.
    ServiceManaged,
    /// The customer's key, too.
    CmkActive {
        /// The customer-managed key.
        cmk: Cmk,
    },
    /// Rotating to another version or key. Everything still depends on the old one.
    Rotating {
        /// The key in use.
        cmk: Cmk,
        /// The key that is to be.
        to: VersionedKeyId,
    },
    /// No access, until a `refresh` succeeds.
    Denied {
        /// The key that was withdrawn.
        cmk: Cmk,
        /// The reason.
        cause: Cause,
        /// Start of the denial, in seconds since 1970.
        since: u64,
    },
    /// No access, and `shred_due` destroys the keys once it is due.
    ShredPending {
        /// The key that was withdrawn, if there was one.
        cmk: Option<Cmk>,
        /// The reason.
        cause: Cause,
        /// Start of the denial, in seconds since 1970.
        since: u64,
        /// Time from which the keys may be destroyed, in seconds since 1970.
        due: u64,
    },
    /// All keys are destroyed, for good.
    Shredded {
        /// Time at which they were destroyed, in seconds since 1970.
        since: u64,
    },
}

impl Protection {
    /// The state's name in messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ServiceManaged => "service-managed",
            Self::CmkActive { .. } => "cmk-active",
            Self::Rotating { .. } => "rotating",
            Self::Denied { .. } => "denied",
            Self::ShredPending { .. } => "shred-pending",
            Self::Shredded { .. } => "shredded",
        }
    }

    /// The customer's key, if there is one.
    #[must_use]
    pub fn cmk(&self) -> Option<&Cmk> {
        match self {
            Self::CmkActive { cmk } | Self::Rotating { cmk, .. } | Self::Denied { cmk, .. } => {
                Some(cmk)
            }
            Self::ShredPending { cmk, .. } => cmk.as_ref(),
            Self::ServiceManaged | Self::Shredded { .. } => None,
        }
    }
}

/// A resource as its state records it. It changes by [`Event`](super::transition::Event)s only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: ResourceId,
    pub(crate) tenant: String,
    /// The tenant that it has been moved to, while that is another one.
    pub(crate) moved_to: Option<String>,
    pub(crate) region: String,
    pub(crate) cmk_allowed: bool,
    pub(crate) created_at: u64,
    /// The number of times that a CMK was enabled.
    pub(crate) epoch: u64,
    /// The highest version that a customer key ever had, so that none is used twice.
    pub(crate) customer_version: u64,
    pub(crate) protection: Protection,
    /// Documents that were sealed before the CMK was enabled, as the host has counted them.
    pub(crate) documents_before: Option<u64>,
    /// Those of them that lie outside its protection still.
    pub(crate) outside_cmk: Option<u64>,
    /// Hours before this one are over: their keys are destroyed and not made again.
    pub(crate) hours_from: u64,
    /// All keys; none once they are shredded.
    pub(crate) keys: Vec<KeyRecord>,
    /// Fields of a newer version, which are written again as they were.
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

impl Resource {
    /// A new resource, service-managed, under this root.
    pub(crate) fn new(new: &NewResource, created_at: u64, root: KeyRecord) -> Self {
        Self {
            id: new.id.clone(),
            tenant: new.tenant.clone(),
            moved_to: None,
            region: new.region.clone(),
            cmk_allowed: new.cmk_allowed,
            created_at,
            epoch: 0,
            customer_version: 0,
            protection: Protection::ServiceManaged,
            documents_before: Some(0),
            outside_cmk: Some(0),
            hours_from: 0,
            keys: vec![root],
            unknown: Map::new(),
        }
    }

    /// The resource without its keys, for the audit trail.
    pub(crate) fn outline(&self) -> Option<Value> {
        let outline = Self { keys: Vec::new(), unknown: Map::new(), ..self.clone() };
        serde_json::to_value(outline).ok()
    }

    /// The resource of an [`outline`](Self::outline).
    pub(crate) fn of_outline(outline: &Value) -> Option<Self> {
        serde_json::from_value(outline.clone()).ok()
    }

    /// The root of a layer.
    pub(crate) fn root(&self, layer: Layer) -> Result<&KeyRecord, Error> {
        self.root_of(layer).ok_or_else(|| match &self.protection {
            Protection::Shredded { .. } => Error::Shredded { resource: self.id.clone() },
            other => Error::WrongState {
                resource: self.id.clone(),
                state: other.name(),
                operation: "use the customer key",
                next: Box::new(NextStep::EnableCmk),
            },
        })
    }

    pub(crate) fn root_of(&self, layer: Layer) -> Option<&KeyRecord> {
        self.wrapped_keys(0).root(layer)
    }

    /// True where it is closed and has no customer key, since its state was restored from before that was enabled.
    /// Only enabling one again, to which the customer's vault consents, leads out of that.
    pub(crate) fn lost_its_customer_key(&self) -> bool {
        matches!(self.protection, Protection::Denied { .. })
            && self.root_of(Layer::Customer).is_none()
    }

    /// Its keys, as those of the state `number`.
    pub(crate) fn wrapped_keys(&self, number: u64) -> WrappedKeys<'_> {
        let under_cmk = self.protection.cmk().is_some();
        WrappedKeys { resource: &self.id, number, under_cmk, records: &self.keys }
    }

    pub(crate) fn find(&self, label: KeyLabel) -> Option<&KeyRecord> {
        self.keys.iter().find(|key| key.label == label)
    }

    /// Refuses access where the state does.
    pub(crate) fn check_access(&self) -> Result<(), Error> {
        let resource = self.id.clone();
        match &self.protection {
            Protection::ServiceManaged
            | Protection::CmkActive { .. }
            | Protection::Rotating { .. } => Ok(()),
            Protection::Denied { cause, since, .. }
            | Protection::ShredPending { cause, since, .. } => {
                Err(Error::Denied { resource, cause: *cause, since: *since })
            }
            Protection::Shredded { .. } => Err(Error::Shredded { resource }),
        }
    }
}
