//! The keys of one document: to seal it with, and to open it with.

use std::sync::Arc;

use strongroom::document::{Header, Layers, OpenPolicy, Recipient};
use strongroom::wrap::{Algorithm, UnwrappingKey, WrappingKey};

use super::record::{DocumentKind, Protection, Resource, Scope};
use super::repository::Current;
use super::resources::Resources;
use super::transition::Event;
use crate::cache::{CacheKey, Lease};
use crate::error::Error;
use crate::id::{KeyKind, KeyLabel, ResourceId};
use crate::key_ring::{KeyRing, Layer, ResourceKey, WrappedBy};

/// How often keys may turn out to be of another state before that is given up.
const ATTEMPTS: usize = 4;

/// What is to be sealed.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{DocumentKind, SealRequest};
///
/// let request = SealRequest { kind: DocumentKind::Result, expires_at: Some(1_900_000_000) };
/// assert_ne!(request, SealRequest::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealRequest {
    /// A model, or a result: the customer's key may cover the first only.
    pub kind: DocumentKind,
    /// When it is not to be opened any more, in seconds since 1970: give the same to the engine.
    pub expires_at: Option<u64>,
}

impl Default for SealRequest {
    fn default() -> Self {
        Self { kind: DocumentKind::Model, expires_at: None }
    }
}

/// The keys to seal one document with.
///
/// # Example
///
/// ```no_run
/// # async fn seal(resources: strongroom_keys::Resources) -> Result<(), Box<dyn std::error::Error>> {
/// use strongroom::document::{self, SealOptions};
/// use strongroom_keys::resource::{ResourceId, SealRequest};
///
/// let id = ResourceId::new("contoso")?;
/// let keys = resources.sealing_keys(&id, &SealRequest::default()).await?;
/// let sealed = document::seal(b"text", keys.layers(), &SealOptions::default())?;
/// keys.lease().check()?; // before it is published
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SealingKeys {
    service: Vec<WrappingKey>,
    customer: Option<Vec<WrappingKey>>,
    lease: Lease,
}

impl SealingKeys {
    /// The keys of each layer, for the engine.
    #[must_use]
    pub fn layers(&self) -> Layers<'_> {
        match &self.customer {
            None => Layers::One(&self.service),
            Some(customer) => Layers::Two { service: &self.service, customer },
        }
    }

    /// The right to use them.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// The keys to open one document with.
///
/// # Example
///
/// ```no_run
/// # async fn open(resources: strongroom_keys::Resources, sealed: &[u8])
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use strongroom::document::{Header, OpenOptions};
/// use strongroom_keys::resource::ResourceId;
///
/// let header = Header::parse(sealed)?;
/// let opening = resources.opening_keys(&ResourceId::new("contoso")?, &header).await?;
/// let options = OpenOptions { policy: opening.policy().clone(), ..OpenOptions::default() };
/// let opener = header.unlock_with(opening.keys(), &options)?;
/// opening.lease().check()?; // before each read
/// let text = opener.open_slice(sealed)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OpeningKeys {
    keys: Vec<UnwrappingKey>,
    policy: OpenPolicy,
    lease: Lease,
}

impl OpeningKeys {
    /// The keys that the header means and the resource's state names.
    #[must_use]
    pub fn keys(&self) -> &[UnwrappingKey] {
        &self.keys
    }

    /// What the document must be like.
    #[must_use]
    pub fn policy(&self) -> &OpenPolicy {
        &self.policy
    }

    /// The right to read the document, until it expires.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// A resource's state, and the keys of it that are open to us.
struct Open {
    current: Current,
    service: Arc<KeyRing>,
    customer: Option<Arc<KeyRing>>,
    lease: Lease,
}

impl Resources {
    /// The keys to seal a document with. Under a customer-managed key that covers it there are two layers;
    /// one that expires has its inner layer wrapped by the key of its last hour, which is made if needed.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Shredded`], [`Error::Unreachable`];
    /// [`Error::Expired`] where it has expired already; those of store and audit trail.
    pub async fn sealing_keys(
        &self,
        id: &ResourceId,
        request: &SealRequest,
    ) -> Result<SealingKeys, Error> {
        if let Some(expires_at) = request.expires_at
            && expires_at <= self.repository.clock().unix_time()
        {
            return Err(Error::Expired { expires_at });
        }
        let hour = request.expires_at.map(hour_key);
        let mut open = self.open_keys(id).await?;
        for _attempt in 0..ATTEMPTS {
            let inner = match hour {
                None => open.service.root(),
                Some(hour) => open.service.get(hour),
            };
            let Some(inner) = inner else {
                if let Some(hour) = hour {
                    self.add_hour_key(&open, hour).await?;
                }
                open = self.open_keys(id).await?;
                continue;
            };
            let service = vec![inner.wrapping(id)?];
            let covered = open.current.resource.protection.cmk();
            let covered = covered.is_some_and(|cmk| cmk.scope.covers(request.kind));
            let customer = match open.customer.as_deref().and_then(KeyRing::root) {
                Some(root) if covered => Some(vec![root.wrapping(id)?]),
                _ => None,
            };
            open.lease.check()?;
            return Ok(SealingKeys { service, customer, lease: open.lease });
        }
        Err(Error::Contended { resource: id.clone() })
    }

    async fn add_hour_key(&self, open: &Open, hour: KeyLabel) -> Result<(), Error> {
        let id = &open.current.resource.id;
        let Some(root) = open.service.root() else { return Ok(()) };
        let key = ResourceKey::generate(hour, 0)?.wrapped_by(id, root)?;
        let added = self.repository.change(id, |resource| {
            if resource.root(Layer::Service)?.label != root.label {
                return Err(Error::Contended { resource: id.clone() });
            }
            Ok(Event::HourKeyAdded { key: key.clone() })
        });
        match added.await {
            // The root was replaced in between: the caller makes another key under the new one.
            Err(Error::Contended { .. }) => Ok(()),
            added => added.map(|_| ()),
        }
    }

    /// The keys to open the document of `header` with: those that the header means and that are the
    /// resource's. No vault is asked for another key, whatever the header says.
    ///
    /// # Errors
    ///
    /// As [`Resources::sealing_keys`], and [`Error::ForeignDocument`] where some layer is wrapped
    /// by no key of the resource.
    pub async fn opening_keys(
        &self,
        id: &ResourceId,
        header: &Header,
    ) -> Result<OpeningKeys, Error> {
        let expires_at = header.expires_at();
        if let Some(expires_at) = expires_at
            && expires_at <= self.repository.clock().unix_time()
        {
            return Err(Error::Expired { expires_at });
        }
        let mut open = self.open_keys(id).await?;
        let mut keys = open.find(header)?;
        let own = |recipient: &Recipient| label_of(id, recipient).is_some();
        if keys.is_none() && header.recipients().iter().any(own) {
            // It may be wrapped by a key that another process has just made.
            self.repository.read(id).await?;
            open = self.open_keys(id).await?;
            keys = open.find(header)?;
        }
        let layers = keys.ok_or_else(|| not_found(&open.current.resource, header))?;
        let key_ids =
            layers.each_ref().map(|keys| keys.iter().map(|key| key.id().clone()).collect());
        let keys: Vec<UnwrappingKey> = layers.into_iter().flatten().collect();
        let policy = OpenPolicy {
            // Each layer has its own: two layers under the service's key are no protection by the
            // customer's.
            key_ids: Some(key_ids),
            algorithms: vec![Algorithm::A256Kw],
            least_layers: self.least_layers(&open.current.resource),
            ..OpenPolicy::default()
        };
        let lease = open.lease.until(expires_at);
        lease.check()?;
        Ok(OpeningKeys { keys, policy, lease })
    }

    /// Two where the host has pinned that there is a customer's key which covers everything.
    fn least_layers(&self, resource: &Resource) -> u8 {
        let pinned = self.repository.pins(&resource.id).is_some_and(|pins| pins.cmk_required);
        let all = resource.protection.cmk().is_some_and(|cmk| cmk.scope == Scope::ModelsAndResults);
        if pinned && all { 2 } else { 1 }
    }

    /// The keys of every layer, of one state. Under a customer-managed key both are needed whatever the
    /// document: access ends for all of them when the customer's key is withdrawn.
    async fn open_keys(&self, id: &ResourceId) -> Result<Open, Error> {
        for _attempt in 0..ATTEMPTS {
            let (service, lease) = self.refresher.lease(&root(id, Layer::Service)).await?;
            let known = || self.repository.known(id);
            let has_cmk =
                known().is_some_and(|current| current.resource.protection.cmk().is_some());
            let customer = if has_cmk {
                match self.refresher.lease(&root(id, Layer::Customer)).await {
                    // Another process has disabled it: this one knows by now.
                    Err(Error::WrongState { .. }) => continue,
                    leased => Some(leased?),
                }
            } else {
                None
            };
            let Some(current) = known() else { continue };
            current.resource.check_access()?;
            let (customer, lease) = match customer {
                None => (None, lease),
                Some((ring, customer)) => (Some(ring), lease.and(customer)),
            };
            let needs_customer = !matches!(current.resource.protection, Protection::ServiceManaged);
            let service = self.of_state(id, service, &current);
            let customer = customer.map(|ring| self.of_state(id, ring, &current));
            let (Some(service), false) = (service, needs_customer != customer.is_some()) else {
                continue;
            };
            match customer {
                Some(None) => {}
                None => return Ok(Open { current, service, customer: None, lease }),
                Some(customer) => return Ok(Open { current, service, customer, lease }),
            }
        }
        Err(Error::Contended { resource: id.clone() })
    }

    /// The ring as it is in a state; `None` where it must be asked for.
    fn of_state(
        &self,
        id: &ResourceId,
        ring: Arc<KeyRing>,
        current: &Current,
    ) -> Option<Arc<KeyRing>> {
        if ring.number == current.number {
            return Some(ring);
        }
        if !ring.under_cmk && current.resource.protection.cmk().is_some() {
            // Leases of one layer alone end here.
            self.cache.wipe_layer(id, ring.layer, None);
            return None;
        }
        if let Some(rebuilt) = ring.rebuild(current.keys()) {
            let rebuilt = Arc::new(rebuilt);
            self.cache.replace(&root(id, ring.layer), &ring, Arc::clone(&rebuilt));
            return Some(rebuilt);
        }
        self.cache.renew(id);
        None
    }
}

impl Open {
    /// The keys for each layer of `header`; `None` where a layer has none.
    fn find(&self, header: &Header) -> Result<Option<[Vec<UnwrappingKey>; 2]>, Error> {
        let resource = &*self.current.resource;
        let mut layers = [Vec::new(), Vec::new()];
        for (layer, keys) in (1..=header.layers()).zip(&mut layers) {
            for recipient in header.recipients().iter().filter(|one| one.layer() == layer) {
                let Some(label) = label_of(&resource.id, recipient) else { continue };
                let ring = match resource.find(label).map(|record| &record.by) {
                    None => continue,
                    Some(WrappedBy::Vault(_)) => self.ring_of(label.kind),
                    Some(WrappedBy::Root(by)) => self.ring_of(by.kind),
                };
                if let Some(key) = ring.and_then(|ring| ring.get(label)) {
                    keys.push(key.unwrapping(&resource.id)?);
                }
            }
            if keys.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(layers))
    }

    fn ring_of(&self, root: KeyKind) -> Option<&KeyRing> {
        match root {
            KeyKind::Customer => self.customer.as_deref(),
            _ => Some(&self.service),
        }
    }
}

fn root(id: &ResourceId, layer: Layer) -> CacheKey {
    CacheKey { resource: id.clone(), layer }
}

/// The key of the hour in which a document expires: it is destroyed at the end of it.
fn hour_key(expires_at: u64) -> KeyLabel {
    KeyLabel { kind: KeyKind::Hour, version: expires_at.div_ceil(3600) }
}

/// The key of the resource that wrapped a recipient; `None` where it is another's, or of the other layer.
fn label_of(id: &ResourceId, recipient: &Recipient) -> Option<KeyLabel> {
    let label = KeyLabel::parse(id, recipient.key_id())?;
    let layer = if label.kind == KeyKind::Customer { 2 } else { 1 };
    (recipient.algorithm() == Some(Algorithm::A256Kw) && recipient.layer() == layer)
        .then_some(label)
}

fn not_found(resource: &Resource, header: &Header) -> Error {
    let ids: Vec<&str> = header.recipients().iter().map(|one| one.key_id().as_str()).collect();
    Error::ForeignDocument { resource: resource.id.clone(), wrapped_by: ids.join(", ") }
}
