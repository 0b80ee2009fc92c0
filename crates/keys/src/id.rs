//! The names of resources and of the keys that belong to them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom::wrap::KeyId;

use crate::state::check_name;

/// A resource's name: 1 to 64 lower-case letters, digits, `-` and `_`, a letter or digit first. It
/// becomes part of key ids and the name of a directory.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::ResourceId;
///
/// assert_eq!(ResourceId::new("contoso-7")?.as_str(), "contoso-7");
/// assert!(ResourceId::new("../contoso").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// Checks `id`.
    ///
    /// # Errors
    ///
    /// [`InvalidResourceId`] when it is not such a name.
    pub fn new(id: &str) -> Result<Self, InvalidResourceId> {
        // What begins with another character is the service's own.
        let begins = id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && check_name(id).is_ok() {
            return Ok(Self(id.into()));
        }
        Err(InvalidResourceId { id: id.to_owned() })
    }

    /// The resource that a key id in a document's header names; `None` where it names none. A header is not
    /// authenticated: the id says where to look, and nothing more.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::wrap::KeyId;
    /// use strongroom_keys::resource::ResourceId;
    ///
    /// let key = KeyId::new("resource/contoso-7/service/1")?;
    /// assert_eq!(ResourceId::of_key(&key), Some(ResourceId::new("contoso-7")?));
    /// assert_eq!(ResourceId::of_key(&KeyId::new("local/0123/invoices/1")?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_key(key: &KeyId) -> Option<Self> {
        Self::new(key.as_str().strip_prefix("resource/")?.split('/').next()?).ok()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is not a resource's name.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{InvalidResourceId, ResourceId};
///
/// let error: InvalidResourceId = ResourceId::new("../contoso").unwrap_err();
/// assert!(error.to_string().contains("lower-case letters"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{id:?} cannot name a resource; use 1 to 64 lower-case letters, digits, - and _, a letter or digit \
     first"
)]
pub struct InvalidResourceId {
    id: String,
}

impl TryFrom<String> for ResourceId {
    type Error = InvalidResourceId;

    fn try_from(id: String) -> Result<Self, InvalidResourceId> {
        Self::new(&id)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The purpose of a key of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyKind {
    /// Wraps the data keys of layer 1.
    Service,
    /// Wraps the data keys of layer 2.
    Customer,
    /// Wraps the data keys of layer 1 of documents that expire in one hour.
    Hour,
    /// Wraps the data keys of layer 2 where a document has two and no key of the customer's covers it.
    StandIn,
}

impl KeyKind {
    /// As it stands in a key's id.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Customer => "customer",
            Self::Hour => "hour",
            Self::StandIn => "stand-in",
        }
    }

    /// Its number in a wrapped key.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Service => 1,
            Self::Customer => 2,
            Self::Hour => 3,
            Self::StandIn => 5, // 4 is that of signing secrets
        }
    }
}

/// Kind and version of a key of a resource. An hour key's version is the number of the hour since 1970 at
/// whose beginning it is destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct KeyLabel {
    pub(crate) kind: KeyKind,
    pub(crate) version: u64,
}

impl KeyLabel {
    pub(crate) fn text(self, resource: &ResourceId) -> String {
        format!("resource/{resource}/{}/{}", self.kind.as_str(), self.version)
    }

    /// As the engine writes it into a document's header.
    pub(crate) fn key_id(self, resource: &ResourceId) -> Result<KeyId, strongroom::Error> {
        KeyId::new(&self.text(resource))
    }

    /// The key of `resource` that a header means by `id`; `None` where it is another's.
    pub(crate) fn parse(resource: &ResourceId, id: &KeyId) -> Option<Self> {
        let rest = id.as_str().strip_prefix("resource/")?.strip_prefix(resource.as_str())?;
        let (kind, version) = rest.strip_prefix('/')?.split_once('/')?;
        let kinds = [KeyKind::Service, KeyKind::Customer, KeyKind::Hour, KeyKind::StandIn];
        let kind = kinds.into_iter().find(|known| known.as_str() == kind)?;
        // One spelling only: `+1` and `01` are no ids.
        let only = version.bytes().all(|digit| digit.is_ascii_digit())
            && (version == "0" || !version.starts_with('0'));
        let version = version.parse().ok().filter(|_| only)?;
        Some(Self { kind, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        let resource = ResourceId::new("contoso").unwrap();
        let label = KeyLabel { kind: KeyKind::Customer, version: 7 };
        let id = label.key_id(&resource).unwrap();
        assert_eq!(id.as_str(), "resource/contoso/customer/7");
        assert_eq!(KeyLabel::parse(&resource, &id), Some(label));
        for other in [
            "resource/contoso/customer/07",
            "resource/contoso/customer/+7",
            "resource/contoso2/customer/7",
            "resource/contoso/other/7",
            "resource/contoso/customer/7/8",
            "customer/7",
        ] {
            assert_eq!(KeyLabel::parse(&resource, &KeyId::new(other).unwrap()), None, "{other}");
        }
        for name in ["", "_service", "Contoso", "a/b", "a.b", "-a", &"a".repeat(65)] {
            assert!(ResourceId::new(name).is_err(), "{name}");
        }
    }
}
