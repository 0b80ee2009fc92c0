//! The resource that each object belongs to, by its path.

use std::collections::BTreeMap;
use std::fmt;

use object_store::path::Path;
use strongroom_keys::resource::{DocumentKind, ResourceId};

/// The resource of an object, and the kind of document that it is.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{DocumentKind, ResourceId};
/// use strongroom_store::Placement;
///
/// let placement = Placement::model(ResourceId::new("contoso")?);
/// assert_eq!(placement.kind, DocumentKind::Model);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The resource whose keys seal it.
    pub resource: ResourceId,
    /// A model, or a result: the customer's key may cover the first only, and results expire.
    pub kind: DocumentKind,
}

impl Placement {
    /// Models of `resource`.
    #[must_use]
    pub fn model(resource: ResourceId) -> Self {
        Self { resource, kind: DocumentKind::Model }
    }

    /// Its kind as objects are bound to it.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            DocumentKind::Model => "model",
            DocumentKind::Result => "result",
        }
    }

    /// Results of `resource`, which are kept for 24 hours.
    #[must_use]
    pub fn result(resource: ResourceId) -> Self {
        Self { resource, kind: DocumentKind::Result }
    }
}

/// Says which resource an object belongs to.
///
/// # Security
///
/// It must give the same answer for a path for ever: an object is bound to its resource, and is refused under another.
///
/// # Example
///
/// ```
/// use object_store::path::Path;
/// use strongroom_keys::resource::ResourceId;
/// use strongroom_store::{Placement, Resolver};
///
/// /// A tenant's objects lie in a folder of its name.
/// #[derive(Debug)]
/// struct ByTenant;
///
/// impl Resolver for ByTenant {
///     fn resolve(&self, location: &Path) -> Option<Placement> {
///         let tenant = location.parts().next()?;
///         Some(Placement::model(ResourceId::new(tenant.as_ref()).ok()?))
///     }
/// }
/// assert!(ByTenant.resolve(&Path::from("contoso/orders.parquet")).is_some());
/// ```
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The placement of the object at `location`; `None` where no resource has it.
    fn resolve(&self, location: &Path) -> Option<Placement>;
}

/// One resource has all objects.
impl Resolver for Placement {
    fn resolve(&self, _: &Path) -> Option<Placement> {
        Some(self.clone())
    }
}

/// Placements by prefix, of which the longest counts.
///
/// # Example
///
/// ```
/// use object_store::path::Path;
/// use strongroom_keys::resource::ResourceId;
/// use strongroom_store::{ByPrefix, Placement, Resolver};
///
/// let contoso = ResourceId::new("contoso")?;
/// let prefixes = ByPrefix::new([
///     (Path::from("contoso"), Placement::model(contoso.clone())),
///     (Path::from("contoso/results"), Placement::result(contoso.clone())),
/// ]);
/// let placement = prefixes.resolve(&Path::from("contoso/results/7")).unwrap();
/// assert_eq!(placement, Placement::result(contoso));
/// assert!(prefixes.resolve(&Path::from("contoso2/orders")).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ByPrefix(BTreeMap<Path, Placement>);

impl ByPrefix {
    /// These prefixes. The empty path has all objects that no other has.
    #[must_use]
    pub fn new(prefixes: impl IntoIterator<Item = (Path, Placement)>) -> Self {
        Self(prefixes.into_iter().collect())
    }
}

impl Resolver for ByPrefix {
    fn resolve(&self, location: &Path) -> Option<Placement> {
        let matching = self.0.iter().filter(|(prefix, _)| location.prefix_matches(prefix));
        matching.max_by_key(|(prefix, _)| prefix.parts().count()).map(|(_, found)| found.clone())
    }
}
