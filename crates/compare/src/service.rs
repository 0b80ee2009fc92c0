//! A service with two resources in a folder of its own: one under the service's key, one under a
//! customer's. Their keys are in the cache before anything is timed.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use futures_lite::future::block_on;
use object_store::ObjectStore;
use strongroom::document::{ChunkLen, Header, PlaintextLen, Sealer};
use strongroom::secret::Secret;
use strongroom_keys::Resources;
use strongroom_keys::audit::{AuditKey, JsonLines};
use strongroom_keys::resource::{
    EnableCmk, LeasedOpener, NewResource, OpenRequest, ResourceId, ResourcesConfig, SealRequest,
};
use strongroom_keys::state::FileStore;
use strongroom_keys::vault::{KeyName, Operation, Operations, Place, Vault};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{InitOptions, KeyKind, KeyOptions};
use strongroom_store::{NewStore, Placement, SealedStore, Settings, StoreConfig};
use tempfile::TempDir;

const IDENTITY: &str = "compare";
const TENANT: &str = "tenant";
const REGION: &str = "region";

/// The service, its resources of one layer and of two, and the folder that holds them.
#[derive(Debug)]
pub(crate) struct Service {
    resources: Resources,
    ids: [ResourceId; 2],
    request: SealRequest,
    _home: TempDir,
}

impl Service {
    /// A service whose documents have headers as `request` asks.
    ///
    /// # Errors
    ///
    /// Those of the system and of the keys crate.
    pub(crate) fn start(request: SealRequest) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let aes = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
        let own = LocalVault::init(&home.path().join("service"))?;
        own.create_with("service", aes)?;
        let place = Place { tenant: Some(TENANT.into()), region: Some(REGION.into()) };
        let options = InitOptions { purge_protection: true, place, ..InitOptions::default() };
        let customers = LocalVault::init_with(&home.path().join("customer"), options)?;
        customers.create("documents")?;
        customers.grant(IDENTITY, None, Operations::from(Operation::ALL))?;
        let customers = customers.as_identity(IDENTITY);
        let key = block_on(customers.newest(&KeyName::new("documents")?))?.id;

        let trail = home.path().join("audit.jsonl");
        let trail = Arc::new(JsonLines::new(trail, &AuditKey::new(Secret::generate()?.expose())));
        let store = Arc::new(block_on(FileStore::open(home.path().join("state")))?);
        let customers: Arc<dyn Vault> = Arc::new(customers);
        let vaults = HashMap::from([(customers.id().to_owned(), customers)]);
        let config = ResourcesConfig::new(store, Arc::new(own), KeyName::new("service")?, trail)
            .with_vaults(Arc::new(vaults));
        let resources = block_on(config.init())?;

        let ids = [ResourceId::new("one-layer")?, ResourceId::new("two-layers")?];
        for id in &ids {
            let new = NewResource {
                id: id.clone(),
                tenant: TENANT.into(),
                region: REGION.into(),
                cmk_allowed: true,
                created_at: None,
            };
            block_on(resources.create(new))?;
        }
        block_on(resources.enable_cmk(&ids[1], &EnableCmk::new(key, IDENTITY)))?;
        Ok(Self { resources, ids, request, _home: home })
    }

    /// A sealed store over `inner` for objects of so many layers.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) fn store(
        &self,
        layers: usize,
        inner: Arc<dyn ObjectStore>,
        chunk_len: ChunkLen,
        settings: Settings,
    ) -> Result<SealedStore> {
        let resolver = Arc::new(Placement::model(self.ids[layers - 1].clone()));
        let (resources, keeper) = (self.resources.clone(), self.ids[0].clone());
        let config =
            StoreConfig::new("store", inner, resources, keeper, resolver).with_settings(settings);
        let new = NewStore { chunk_len, two_layers: layers == 2, ..NewStore::default() };
        Ok(block_on(config.init(new))?)
    }

    /// Seals a document of so many layers.
    ///
    /// # Errors
    ///
    /// Those of the keys crate.
    pub(crate) fn seal(&self, layers: usize, text: &[u8]) -> Result<Vec<u8>> {
        Ok(block_on(self.resources.seal(&self.ids[layers - 1], text, &self.request))?)
    }

    /// Opens a document of so many layers.
    ///
    /// # Errors
    ///
    /// Those of the keys crate.
    pub(crate) fn open(&self, layers: usize, sealed: &[u8]) -> Result<Vec<u8>> {
        let id = &self.ids[layers - 1];
        Ok(block_on(self.resources.open(id, sealed, &OpenRequest::default()))?)
    }

    /// A sealer for a text of `length` bytes.
    ///
    /// # Errors
    ///
    /// Those of the keys crate.
    pub(crate) fn sealer(&self, layers: usize, length: usize) -> Result<Sealer> {
        let length = PlaintextLen::Known(length as u64);
        Ok(block_on(self.resources.sealer(&self.ids[layers - 1], length, &self.request))?)
    }

    /// An opener of the document `sealed`, under the lease of its keys.
    ///
    /// # Errors
    ///
    /// Those of the keys crate.
    pub(crate) fn opener(&self, layers: usize, sealed: &[u8]) -> Result<LeasedOpener> {
        let (id, header) = (&self.ids[layers - 1], Header::parse(sealed)?);
        Ok(block_on(self.resources.opener(id, &header, &OpenRequest::default()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_both_resources_have_their_layers_and_open() {
        let service = Service::start(SealRequest::default()).unwrap();
        for layers in [1, 2] {
            let sealed = service.seal(layers, b"text").unwrap();
            assert_eq!(usize::from(Header::parse(&sealed).unwrap().layers()), layers);
            assert_eq!(service.open(layers, &sealed).unwrap(), b"text");
            let streamed = service.sealer(layers, 4).unwrap().seal_slice(b"text").unwrap();
            let opener = service.opener(layers, &streamed).unwrap();
            assert_eq!(opener.open_slice(&streamed).unwrap(), b"text");
        }
    }
}
