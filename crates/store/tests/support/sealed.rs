//! A sealed store over an inner one, with keys in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use strongroom_keys::clock::{Clock, SystemClock};
use strongroom_keys::resource::{EnableCmk, NewResource, ResourceId, ResourcesConfig};
use strongroom_keys::state::StateStore;
use strongroom_keys::testing::{MemoryAudit, MemoryStore, MemoryVault};
use strongroom_keys::vault::KeyName;
use strongroom_keys::{Resources, Vault};
use strongroom_store::{NewStore, Placement, SealedStore, StoreConfig};

/// Resources named `store`, `contoso` and `fabrikam`, of a service with a vault in memory.
pub async fn resources() -> Resources {
    with_customer().await.0
}

/// The same, and the key of a customer's that they may be put under, with its vault.
pub async fn with_customer() -> (Resources, EnableCmk, Arc<MemoryVault>) {
    service(Arc::new(SystemClock)).await
}

/// The same by another clock.
pub async fn with_clock(clock: Arc<dyn Clock>) -> Resources {
    service(clock).await.0
}

async fn service(clock: Arc<dyn Clock>) -> (Resources, EnableCmk, Arc<MemoryVault>) {
    let (config, cmk, customer) = service_over(Arc::new(MemoryStore::default()), clock);
    let resources = config.init().await.unwrap();
    create_all(&resources).await;
    (resources, cmk, customer)
}

/// The configuration of a service with these states and this clock, and the key of a customer's with its vault.
pub fn service_over(
    states: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
) -> (ResourcesConfig, EnableCmk, Arc<MemoryVault>) {
    let customer = Arc::new(MemoryVault::new("memory/customer").at("contoso", "westeurope"));
    let key = customer.create_rsa("cmk").unwrap();
    let vault = MemoryVault::new("memory/service");
    vault.create_aes("service-key").unwrap();
    let config = ResourcesConfig::new(
        states,
        Arc::new(vault),
        KeyName::new("service-key").unwrap(),
        Arc::new(MemoryAudit::default()),
    );
    let vaults =
        BTreeMap::from([(key.vault().to_owned(), Arc::clone(&customer) as Arc<dyn Vault>)]);
    let config =
        config.with_vaults(Arc::new(vaults)).with_permission_wait(Duration::ZERO).with_clock(clock);
    (config, EnableCmk::new(key, "an identity"), customer)
}

/// Makes the resources named `store`, `contoso` and `fabrikam`.
pub async fn create_all(resources: &Resources) {
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
}

pub fn id(name: &str) -> ResourceId {
    ResourceId::new(name).unwrap()
}

/// The configuration of a store whose objects belong to `contoso`.
pub async fn config(inner: Arc<dyn ObjectStore>) -> StoreConfig {
    let resolver = Arc::new(Placement::model(id("contoso")));
    StoreConfig::new("store", inner, resources().await, id("store"), resolver)
}

/// A new store whose objects belong to `contoso`.
pub async fn sealed(inner: Arc<dyn ObjectStore>) -> SealedStore {
    config(inner).await.init(NewStore::default()).await.unwrap()
}
