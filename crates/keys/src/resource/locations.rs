//! Locations of customers' vaults: the recorded one of each, and the one that an operation names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A location at which a host finds a vault, such as a directory.
///
/// # Example
///
/// ```
/// use std::path::PathBuf;
///
/// use strongroom_keys::resource::VaultLocation;
///
/// #[derive(Clone)]
/// struct Directory {
///     path: PathBuf,
///     passphrase_file: Option<PathBuf>,
/// }
///
/// impl VaultLocation for Directory {
///     fn is_same(&self, other: &Self) -> bool {
///         self.path == other.path
///     }
/// }
/// ```
pub trait VaultLocation: Clone {
    /// True where it is the same location, however a vault is opened there.
    fn is_same(&self, other: &Self) -> bool;
}

/// A vault that an operation names, with its location.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::NamedVault;
///
/// let named = NamedVault { id: "local/3e2efceef9b35cbd".to_owned(), location: "/vaults/a", moved: false };
/// assert!(!named.moved);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedVault<P> {
    /// The vault's id, as in the ids of its keys.
    pub id: String,
    /// Its location.
    pub location: P,
    /// True where the host says that the vault itself was moved there.
    pub moved: bool,
}

/// The recorded locations of customers' vaults, by the vaults' ids.
///
/// A copy of a vault has the same id, and does not know of a key that is disabled in the original. So the recorded
/// location alone is asked, an operation that names another one is refused, and a location is recorded once the operation
/// that named it has succeeded. Only the word that the vault itself was moved replaces one.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{NamedVault, VaultLocation, VaultLocations};
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Directory(&'static str);
///
/// impl VaultLocation for Directory {
///     fn is_same(&self, other: &Self) -> bool {
///         self == other
///     }
/// }
///
/// let named = |path, moved| NamedVault { id: "local/3e2e".to_owned(), location: Directory(path), moved };
/// let mut locations = VaultLocations::default();
/// locations.record(&named("/vaults/a", false)).map_err(|_| "another location")?;
/// assert_eq!(locations.check(&named("/vaults/copy", false)), Err(&Directory("/vaults/a")));
/// locations.record(&named("/vaults/b", true)).map_err(|_| "another location")?;
/// assert_eq!(locations.find("local/3e2e", None), Some(&Directory("/vaults/b")));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VaultLocations<P>(BTreeMap<String, P>);

impl<P> Default for VaultLocations<P> {
    /// No location is recorded.
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<P: VaultLocation> VaultLocations<P> {
    /// The location of the vault `id`, for an operation that names the vault `named`, or none.
    #[must_use]
    pub fn find<'a>(&'a self, id: &str, named: Option<&'a NamedVault<P>>) -> Option<&'a P> {
        match named {
            Some(named) if named.id == id => Some(&named.location),
            _ => self.0.get(id),
        }
    }

    /// The recorded locations, by the ids of their vaults.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &P)> {
        self.0.iter().map(|(id, location)| (id.as_str(), location))
    }

    /// Refuses a vault that is recorded at another location, unless it was moved. To be asked before the operation that
    /// names it, and nobody may record another location before that operation has ended.
    ///
    /// # Errors
    ///
    /// The recorded location.
    pub fn check(&self, named: &NamedVault<P>) -> Result<(), &P> {
        match self.0.get(&named.id) {
            Some(recorded) if !named.moved && !recorded.is_same(&named.location) => Err(recorded),
            _ => Ok(()),
        }
    }

    /// Records the location of `named`, after the operation that named it has succeeded.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    pub fn record(&mut self, named: &NamedVault<P>) -> Result<(), &P> {
        if self.check(named).is_ok() {
            self.0.insert(named.id.clone(), named.location.clone());
        }
        self.check(named)
    }
}
