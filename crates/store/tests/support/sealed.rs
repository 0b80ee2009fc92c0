//! A sealed store over an inner one, with keys in memory.

use std::sync::Arc;

use object_store::ObjectStore;
use strongroom_keys::Resources;
use strongroom_keys::resource::{NewResource, ResourceId, ResourcesConfig};
use strongroom_keys::testing::{MemoryAudit, MemoryStore, MemoryVault};
use strongroom_keys::vault::KeyName;
use strongroom_store::{NewStore, Placement, SealedStore, StoreConfig};

/// Resources named `store` and `contoso`, of a service with a vault in memory.
pub async fn resources() -> Resources {
    let vault = MemoryVault::new("memory/service");
    vault.create_aes("service-key").unwrap();
    let config = ResourcesConfig::new(
        Arc::new(MemoryStore::default()),
        Arc::new(vault),
        KeyName::new("service-key").unwrap(),
        Arc::new(MemoryAudit::default()),
    );
    let resources = config.init().await.unwrap();
    for name in ["store", "contoso", "fabrikam"] {
        let new = NewResource {
            id: id(name),
            tenant: name.to_owned(),
            region: "westeurope".to_owned(),
            cmk_allowed: true,
            created_at: None,
        };
        resources.create(new).await.unwrap();
    }
    resources
}

pub fn id(name: &str) -> ResourceId {
    ResourceId::new(name).unwrap()
}

/// The configuration of a store whose objects belong to `contoso`.
pub async fn config(inner: Arc<dyn ObjectStore>) -> StoreConfig {
    let resolver = Arc::new(Placement::model(id("contoso")));
    StoreConfig::new(inner, resources().await, id("store"), resolver)
}

/// A new store whose objects belong to `contoso`.
pub async fn sealed(inner: Arc<dyn ObjectStore>) -> SealedStore {
    config(inner).await.init(NewStore::default()).await.unwrap()
}
