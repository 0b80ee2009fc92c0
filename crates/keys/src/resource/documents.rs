//! Sealing and opening documents: which of a resource's keys a document gets, and which open it.

use std::slice;
use std::sync::Arc;

use strongroom::backend::Backend;
use strongroom::document::{
    Context, Header, Layers, OpenOptions, OpenPolicy, PlaintextLen, Recipient, SealOptions, Sealer,
};
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;

use super::opened::LeasedOpener;
use super::record::{DocumentKind, Protection, Resource, Scope};
use super::repository::Current;
use super::resources::Resources;
use super::transition::Event;
use crate::cache::{CacheKey, Lease};
use crate::error::{DocumentError, Error};
use crate::id::{KeyKind, KeyLabel, ResourceId};
use crate::key_ring::{KeyRing, Layer, ResourceKey, WrappedBy};

/// The number of times that keys may turn out to be of another state.
const ATTEMPTS: usize = 4;

/// A request to seal a document.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{DocumentKind, SealRequest};
///
/// let request = SealRequest::of(DocumentKind::Result).expiring_at(Some(1_900_000_000));
/// assert_eq!(request.options.expires_at, Some(1_900_000_000));
/// ```
#[derive(Clone, Debug)]
pub struct SealRequest {
    /// A model, or a result: the customer's key may cover the first only.
    pub kind: DocumentKind,
    /// The document's options. One that expires gets the key of its last hour. Where they name no expiry a result
    /// has the [lifetime](DocumentKind::lifetime) of results, from now on.
    pub options: SealOptions,
    /// True for two layers in any case: where no key of the customer's covers the document, a key that the service holds
    /// stands in for it. All documents of a collection then have one length of header and records.
    pub two_layers: bool,
}

impl SealRequest {
    /// A document of this kind, with the default options.
    #[must_use]
    pub fn of(kind: DocumentKind) -> Self {
        Self { kind, options: SealOptions::default(), two_layers: false }
    }

    /// A document of two layers in any case.
    #[must_use]
    pub fn with_two_layers(self) -> Self {
        Self { two_layers: true, ..self }
    }

    /// A document that is not to be opened from this time on, in seconds since 1970. `None` stands for the
    /// lifetime of its kind.
    #[must_use]
    pub fn expiring_at(mut self, expires_at: Option<u64>) -> Self {
        self.options.expires_at = expires_at;
        self
    }
}

impl Default for SealRequest {
    fn default() -> Self {
        Self::of(DocumentKind::Model)
    }
}

/// A request to open a document. Keys, policy and time are the resource's.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::OpenRequest;
///
/// let mut request = OpenRequest::default();
/// request.context.insert("tenant", "7")?;
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// The context that the document was sealed with.
    pub context: Context,
    /// The least generation of the header, 1 by default: refuses an older header that was put back.
    pub least_generation: u64,
    /// The implementation of AES-256-GCM; the fastest by default.
    pub backend: Backend,
}

impl Default for OpenRequest {
    fn default() -> Self {
        Self { context: Context::default(), least_generation: 1, backend: Backend::default() }
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
/// let options = SealOptions { expires_at: keys.expires_at(), ..SealOptions::default() };
/// let sealed = document::seal(b"text", keys.layers(), &options)?;
/// keys.lease().check()?; // before it is published
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SealingKeys {
    service: Arc<ResourceKey>,
    customer: Option<Arc<ResourceKey>>,
    lease: Lease,
    expires_at: Option<u64>,
    made_key: bool,
}

impl SealingKeys {
    /// True where a key was made for it, that of the document's last hour or a stand-in for the customer's: a copy of the states from
    /// before lacks it.
    #[must_use]
    pub fn made_key(&self) -> bool {
        self.made_key
    }

    /// The expiry of the document, in seconds since 1970: to be sealed into its header. The service's key here is
    /// that of its last hour, and destroyed then, whatever the header says.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    /// The keys of each layer, for the engine.
    #[must_use]
    pub fn layers(&self) -> Layers<'_> {
        let service = slice::from_ref(&self.service.wrapping);
        match &self.customer {
            None => Layers::One(service),
            Some(customer) => {
                Layers::Two { service, customer: slice::from_ref(&customer.wrapping) }
            }
        }
    }

    /// The right to use them.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    fn sealer(
        &self,
        length: PlaintextLen,
        options: &SealOptions,
    ) -> Result<Sealer, strongroom::Error> {
        let options = SealOptions { expires_at: self.expires_at, ..options.clone() };
        Sealer::new(length, self.layers(), &options)
    }
}

/// The keys to open one document with, and what the document must be like.
pub(crate) struct OpeningKeys {
    pub(crate) keys: LayerKeys,
    pub(crate) policy: OpenPolicy,
    lease: Lease,
}

/// The keys of each layer that a header names. A layer is opened by its own alone: two layers under the
/// service's key are not a protection by the customer's.
pub(crate) struct LayerKeys(pub(crate) [Vec<Arc<ResourceKey>>; 2]);

impl LayerKeys {
    /// The payload of a recipient; `None` where it is for no key of these.
    pub(crate) fn unwrap(
        &self,
        recipient: &Recipient,
    ) -> Option<Result<SecretVec, strongroom::Error>> {
        let layer = usize::from(recipient.layer()).checked_sub(1)?;
        let mut keys = self.0.get(layer)?.iter().map(|key| &key.unwrapping);
        let key = keys.find(|key| key.id() == recipient.key_id())?;
        Some(recipient.unwrap_with(key))
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
    /// Seals `plaintext`, a whole document in memory.
    ///
    /// # Errors
    ///
    /// Those of [`Resources::sealing_keys`] and of the engine's [`Sealer`].
    pub async fn seal(
        &self,
        id: &ResourceId,
        plaintext: &[u8],
        request: &SealRequest,
    ) -> Result<Vec<u8>, DocumentError> {
        let length = PlaintextLen::Known(plaintext.len() as u64);
        let keys = self.sealing_keys(id, request).await?;
        let sealer = keys.sealer(length, &request.options)?;
        let sealed = sealer.seal_slice(plaintext)?;
        keys.lease().check()?;
        Ok(sealed)
    }

    /// A sealer for a document in a file or a stream: its header names the resource's keys.
    ///
    /// # Errors
    ///
    /// Those of [`Resources::sealing_keys`] and [`Sealer::new`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn seal(resources: strongroom_keys::Resources) -> Result<(), Box<dyn std::error::Error>> {
    /// use strongroom::document::{PlaintextLen, Run};
    /// use strongroom_keys::resource::{ResourceId, SealRequest};
    ///
    /// let (id, request) = (ResourceId::new("contoso")?, SealRequest::default());
    /// let sealer = resources.sealer(&id, PlaintextLen::Stream, &request).await?;
    /// sealer.seal_stream(&mut std::io::stdin(), &mut std::io::stdout(), &Run::default())?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sealer(
        &self,
        id: &ResourceId,
        length: PlaintextLen,
        request: &SealRequest,
    ) -> Result<Sealer, DocumentError> {
        let keys = self.sealing_keys(id, request).await?;
        Ok(keys.sealer(length, &request.options)?)
    }

    /// Opens `sealed`, a whole document in memory.
    ///
    /// # Errors
    ///
    /// Those of [`Resources::opener`] and [`LeasedOpener::open_slice`].
    pub async fn open(
        &self,
        id: &ResourceId,
        sealed: &[u8],
        request: &OpenRequest,
    ) -> Result<Vec<u8>, DocumentError> {
        let header = Header::parse(sealed)?;
        self.opener(id, &header, request).await?.open_slice(sealed)
    }

    /// An opener for the document of `header`, in memory, in a file, from a stream or in parts. It holds the
    /// lease of its keys: see [`LeasedOpener`]. Only keys that the resource's state names are used. No vault
    /// is asked for another key, whatever the header says.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Shredded`], [`Error::Unreachable`], [`Error::Expired`];
    /// [`Error::ForeignDocument`] where some layer is wrapped by no key of the resource; those of the engine's
    /// [`Header::unlock_with`].
    pub async fn opener(
        &self,
        id: &ResourceId,
        header: &Header,
        request: &OpenRequest,
    ) -> Result<LeasedOpener, DocumentError> {
        let OpeningKeys { keys, policy, lease } = self.opening_keys(id, header).await?;
        let options = OpenOptions {
            context: request.context.clone(),
            now: Some(self.repository.clock().unix_time()),
            policy: OpenPolicy { least_generation: request.least_generation, ..policy },
            backend: request.backend,
        };
        let opener = header.unlock_by(&options, |recipient| keys.unwrap(recipient))?;
        Ok(LeasedOpener::new(opener, lease))
    }

    /// The keys to seal a document with. Under a customer-managed key that covers it there are two layers, and where the
    /// request asks for them; one that expires has its inner layer wrapped by the key of its last hour, which is made if needed.
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
        let now = self.repository.clock().unix_time();
        let kept = request.kind.lifetime().map(|lifetime| now.saturating_add(lifetime));
        let expires_at = request.options.expires_at.or(kept);
        if let Some(expires_at) = expires_at.filter(|expires_at| *expires_at <= now) {
            return Err(Error::Expired { expires_at });
        }
        let hour = expires_at.map(hour_key);
        let mut open = self.open_keys(id).await?;
        let mut made_key = false;
        for _attempt in 0..ATTEMPTS {
            let service = match hour {
                None => open.service.root().ok_or(None),
                Some(hour) => open.service.get(hour).ok_or(Some(hour)),
            };
            let keys = service.and_then(|service| Ok((service, open.customer_key(request)?)));
            let (service, customer) = match keys {
                Ok((service, customer)) => (Arc::clone(service), customer.map(Arc::clone)),
                Err(missing) => {
                    if let Some(missing) = missing {
                        made_key |= self.add_key(&open, missing).await?;
                    }
                    open = self.open_keys(id).await?;
                    continue;
                }
            };
            open.lease.check()?;
            let lease = open.lease;
            return Ok(SealingKeys { service, customer, lease, expires_at, made_key });
        }
        Err(Error::Contended { resource: id.clone() })
    }

    /// Makes the key of an hour, or the stand-in; false where there is one by now, or the root was replaced.
    async fn add_key(&self, open: &Open, label: KeyLabel) -> Result<bool, Error> {
        let id = &open.current.resource.id;
        let Some(root) = open.service.root() else { return Ok(false) };
        let key = ResourceKey::generate(id, label, 0)?.wrapped_by(id, root)?;
        let now = self.repository.clock().unix_time();
        let added = self.repository.change(id, |resource| {
            if resource.root(Layer::Service)?.label != root.label {
                return Err(Error::Contended { resource: id.clone() });
            }
            let key = key.clone();
            Ok(match label.kind {
                KeyKind::StandIn => Event::StandInAdded { key },
                _ => Event::HourKeyAdded { key, now },
            })
        });
        match added.await {
            // The root was replaced in between: the caller makes another key under the new one.
            Err(Error::Contended { .. }) => Ok(false),
            added => added.map(|change| change.changed),
        }
    }

    /// The keys to open the document of `header` with: those that the header names and that are the resource's.
    pub(crate) async fn opening_keys(
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
        let (mut keys, resource, lease) = self.keys_for(id, header).await?;
        let least_layers = self.least_layers(&resource);
        if least_layers == 2 {
            // What stands in for the customer's key is not a protection by it.
            let LayerKeys([_, customer]) = &mut keys;
            customer.retain(|key| key.label.kind == KeyKind::Customer);
            if customer.is_empty() && header.layers() == 2 {
                return Err(not_found(&resource, header));
            }
        }
        let policy = OpenPolicy {
            algorithms: vec![Algorithm::A256Kw],
            least_layers,
            ..OpenPolicy::default()
        };
        let lease = lease.until(expires_at);
        lease.check()?;
        Ok(OpeningKeys { keys, policy, lease })
    }

    /// The resource, and the keys of it that `header` names, for each of its layers, whatever its expiry says.
    pub(super) async fn keys_for(
        &self,
        id: &ResourceId,
        header: &Header,
    ) -> Result<(LayerKeys, Arc<Resource>, Lease), Error> {
        let mut open = self.open_keys(id).await?;
        let mut keys = open.find(header);
        let own = |recipient: &Recipient| label_of(id, recipient).is_some();
        if keys.is_none() && header.recipients().iter().any(own) {
            // It may be wrapped by a key that another process has just made.
            self.repository.read(id).await?;
            open = self.open_keys(id).await?;
            keys = open.find(header);
        }
        let keys = keys.ok_or_else(|| not_found(&open.current.resource, header))?;
        Ok((LayerKeys(keys), open.current.resource, open.lease))
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
    /// The key for the outer layer of a document, if it is to have one; an error with the label of a key that is to be made.
    fn customer_key(
        &self,
        request: &SealRequest,
    ) -> Result<Option<&Arc<ResourceKey>>, Option<KeyLabel>> {
        let cmk = self.current.resource.protection.cmk();
        let is_covered = cmk.is_some_and(|cmk| cmk.scope.covers(request.kind));
        match self.customer.as_deref().and_then(KeyRing::root) {
            Some(root) if is_covered => Ok(Some(root)),
            _ if request.two_layers => self.service.get(STAND_IN).map(Some).ok_or(Some(STAND_IN)),
            _ => Ok(None),
        }
    }

    /// The keys for each layer of `header`; `None` where a layer has none.
    fn find(&self, header: &Header) -> Option<[Vec<Arc<ResourceKey>>; 2]> {
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
                keys.extend(ring.and_then(|ring| ring.get(label)).map(Arc::clone));
            }
            if keys.is_empty() {
                return None;
            }
        }
        Some(layers)
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

/// The key that stands in for a customer's.
const STAND_IN: KeyLabel = KeyLabel { kind: KeyKind::StandIn, version: 1 };

/// The key of the hour in which a document expires: it is destroyed at the end of it.
pub(super) fn hour_key(expires_at: u64) -> KeyLabel {
    KeyLabel { kind: KeyKind::Hour, version: expires_at.div_ceil(3600) }
}

/// The key of the resource that wrapped a recipient; `None` where it is another's, or of the other layer.
pub(super) fn label_of(id: &ResourceId, recipient: &Recipient) -> Option<KeyLabel> {
    let label = KeyLabel::parse(id, recipient.key_id())?;
    let layer = match label.kind {
        KeyKind::Customer | KeyKind::StandIn => 2,
        KeyKind::Service | KeyKind::Hour => 1,
    };
    (recipient.algorithm() == Some(Algorithm::A256Kw) && recipient.layer() == layer)
        .then_some(label)
}

pub(super) fn not_found(resource: &Resource, header: &Header) -> Error {
    let ids: Vec<&str> = header.recipients().iter().map(|one| one.key_id().as_str()).collect();
    Error::ForeignDocument { resource: resource.id.clone(), wrapped_by: ids.join(", ") }
}
