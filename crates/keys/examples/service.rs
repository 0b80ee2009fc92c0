//! A service over a remote vault: one request a line of JSON, over TCP.
//!
//! [`RemoteVault`] is what a vault of your own looks like: it says precisely what the other side answered,
//! and takes every other trouble for an outage. The host around it keeps an audit trail, has the key cache
//! refreshed by a thread of its own, and seals and opens a document under the service's key and a customer's.
//!
//! ```sh
//! cargo run -p strongroom-keys --example service
//! ```

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use async_io::Async;
use async_trait::async_trait;
use futures_lite::future::block_on;
use futures_lite::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader as AsyncBufReader};
use serde::{Deserialize, Serialize};
use strongroom::rsa::{PrivateKey, PublicKey};
use strongroom::secret::{Secret, SecretVec};
use strongroom::wrap::{Algorithm, UnwrappingKey, WrappingKey};
use strongroom_keys::audit::{AuditKey, JsonLines, verify};
use strongroom_keys::resource::{
    DocumentError, EnableCmk, NewResource, OpenRequest, ResourceId, ResourcesConfig, SealRequest,
};
use strongroom_keys::state::FileStore;
use strongroom_keys::vault::{
    DeniedReason, KeyDescription, KeyName, KeyType, Operation, Operations, Place, RecoveryLevel,
    Vault, VersionedKeyId,
};
use strongroom_keys::{Error, VaultError};

/// A vault at the other end of a connection.
#[derive(Debug)]
struct RemoteVault {
    id: String,
    address: SocketAddr,
}

#[derive(Serialize, Deserialize)]
enum Request {
    Newest(KeyName),
    Describe(VersionedKeyId),
    Wrap(VersionedKeyId, Vec<u8>),
    Unwrap(VersionedKeyId, Vec<u8>),
}

#[derive(Serialize, Deserialize)]
enum Answer {
    /// The id, and the public key where the key is an RSA key.
    Key(VersionedKeyId, Option<Vec<u8>>),
    Bytes(Vec<u8>),
    Denied(DeniedReason, VersionedKeyId),
    /// The request makes no sense for the key.
    Invalid(String),
}

impl RemoteVault {
    /// One request. The client of this crate limits its time, records it and counts it.
    async fn ask(&self, request: Request) -> Result<Answer, VaultError> {
        let answer = async {
            let mut stream = Async::<TcpStream>::connect(self.address).await?;
            let mut line = serde_json::to_string(&request)?;
            line.push('\n');
            stream.write_all(line.as_bytes()).await?;
            let mut answer = String::new();
            AsyncBufReader::new(stream).read_line(&mut answer).await?;
            Ok::<Answer, std::io::Error>(serde_json::from_str(&answer)?)
        };
        match answer.await {
            // Only the vault's own answer about just this key is a refusal.
            Ok(Answer::Denied(reason, key)) => Err(VaultError::Denied { reason, key: Some(key) }),
            Ok(Answer::Invalid(reason)) => Err(VaultError::Invalid { reason }),
            Ok(answer) => Ok(answer),
            // Whatever else goes wrong is an outage, which ends no access before its time.
            Err(error) => {
                let reason = format!("{}: {error}", self.address);
                Err(VaultError::Unavailable { reason, retry_after: None })
            }
        }
    }

    async fn key(&self, request: Request) -> Result<KeyDescription, VaultError> {
        let Answer::Key(id, public) = self.ask(request).await? else { return Err(unexpected()) };
        let invalid = |error: strongroom::Error| VaultError::Invalid { reason: error.to_string() };
        let public = public.map(|der| PublicKey::from_spki_der(&der)).transpose();
        let public = public.map_err(invalid)?;
        Ok(KeyDescription {
            id,
            bits: if public.is_some() { 2048 } else { 256 },
            key_type: public.map_or(KeyType::Oct, |public| KeyType::Rsa { public }),
            operations: Operations::from(Operation::ALL),
            enabled: true,
            not_before: None,
            expires: None,
            recovery_level: Some(RecoveryLevel::new("Recoverable")),
        })
    }

    async fn bytes(&self, request: Request) -> Result<Vec<u8>, VaultError> {
        let Answer::Bytes(bytes) = self.ask(request).await? else { return Err(unexpected()) };
        Ok(bytes)
    }
}

fn unexpected() -> VaultError {
    VaultError::Unavailable {
        reason: "another answer than was asked for".into(),
        retry_after: None,
    }
}

#[async_trait]
impl Vault for RemoteVault {
    fn id(&self) -> &str {
        &self.id
    }

    fn place(&self) -> Place {
        Place { tenant: Some("contoso".into()), region: Some("westeurope".into()) }
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        self.key(Request::Newest(name.clone())).await
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        self.key(Request::Describe(id.clone())).await
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        _algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.bytes(Request::Wrap(id.clone(), payload.to_vec())).await
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        _algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        Ok(SecretVec::from(self.bytes(Request::Unwrap(id.clone(), wrapped.to_vec())).await?))
    }
}

/// The other end: a vault with one AES-256 key and one RSA-2048 key, which can be disabled.
struct Server {
    keys: [(VersionedKeyId, WrappingKey, UnwrappingKey, Option<Vec<u8>>); 2],
    disabled: AtomicBool,
}

impl Server {
    fn new(vault: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let id = |name| VersionedKeyId::new(vault, KeyName::new(name)?, "1");
        let (service, customer) = (id("service")?, id("customer")?);
        let (aes, rsa) = (Secret::<32>::generate()?, PrivateKey::generate()?);
        let copy = Secret::copy_from(aes.expose());
        let public = rsa.public_key();
        let der = public.to_spki_der()?;
        let (aes_id, rsa_id) = (service.key_id()?, customer.key_id()?);
        let aes = (WrappingKey::aes(aes_id.clone(), copy), UnwrappingKey::aes(aes_id, aes));
        let rsa = (WrappingKey::rsa(rsa_id.clone(), public), UnwrappingKey::rsa(rsa_id, rsa));
        let keys = [(service, aes.0, aes.1, None), (customer, rsa.0, rsa.1, Some(der))];
        Ok(Self { keys, disabled: AtomicBool::new(false) })
    }

    fn answer(&self, request: Request) -> Answer {
        let invalid = |reason: &str| Answer::Invalid(reason.to_owned());
        let find =
            |wanted: &dyn Fn(&VersionedKeyId) -> bool| self.keys.iter().find(|key| wanted(&key.0));
        let key = match &request {
            Request::Newest(name) => find(&|id| id.name() == name),
            Request::Describe(id) | Request::Wrap(id, _) | Request::Unwrap(id, _) => {
                find(&|known| known == id)
            }
        };
        let Some((id, wrapping, unwrapping, public)) = key else { return invalid("no such key") };
        if public.is_some() && self.disabled.load(Ordering::SeqCst) {
            return Answer::Denied(DeniedReason::KeyDisabled, id.clone());
        }
        match request {
            Request::Newest(_) | Request::Describe(_) => Answer::Key(id.clone(), public.clone()),
            Request::Wrap(_, payload) => {
                wrapping.wrap(&payload).map_or_else(|_| invalid("not wrapped"), Answer::Bytes)
            }
            Request::Unwrap(_, wrapped) => match unwrapping.unwrap(&wrapped) {
                Ok(secret) => Answer::Bytes(secret.expose().to_vec()),
                Err(_) => invalid("not unwrapped"),
            },
        }
    }

    fn serve(&self, listener: &TcpListener) -> std::io::Result<()> {
        loop {
            let (stream, _) = listener.accept()?;
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line)?;
            let answer = serde_json::to_string(&self.answer(serde_json::from_str(&line)?))?;
            writeln!(&stream, "{answer}")?;
        }
    }
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (vault_id, home) = ("remote/contoso", tempfile::tempdir()?);
    let server = Arc::new(Server::new(vault_id)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let serving = Arc::clone(&server);
    thread::spawn(move || serving.serve(&listener));
    let vault: Arc<dyn Vault> = Arc::new(RemoteVault { id: vault_id.into(), address });

    // The trail's key is the service's to keep; here it lasts as long as the program.
    let audit_key = AuditKey::new(Secret::<32>::generate()?.expose());
    let trail = Arc::new(JsonLines::new(home.path().join("audit.jsonl"), &audit_key));
    let store = Arc::new(block_on(FileStore::open(home.path().join("state")))?);
    let vaults = HashMap::from([(vault_id.to_owned(), Arc::clone(&vault))]);
    let config = ResourcesConfig::new(store, vault, KeyName::new("service")?, trail)
        .with_vaults(Arc::new(vaults));
    let resources = block_on(config.open_or_init())?;

    // Keeps the keys in use fresh, and notices within a minute that one was withdrawn.
    let refreshing = resources.run();
    thread::spawn(move || block_on(refreshing));

    let id = ResourceId::new("contoso-7")?;
    let new = NewResource {
        id: id.clone(),
        tenant: "contoso".into(),
        region: "westeurope".into(),
        cmk_allowed: true,
        created_at: None,
    };
    block_on(resources.create(new))?;
    let customer = EnableCmk::new(server.keys[1].0.clone(), "an identity");
    block_on(resources.enable_cmk(&id, &customer))?;

    let sealed = block_on(resources.seal(&id, b"a contract", &SealRequest::default()))?;
    let text = block_on(resources.open(&id, &sealed, &OpenRequest::default()))?;
    assert_eq!(text, b"a contract");

    // The customer disables the key: the vault's next answer ends all access.
    server.disabled.store(true, Ordering::SeqCst);
    let refused = block_on(resources.rotate_resource_key(&id)).err();
    assert!(matches!(refused, Some(Error::Denied { .. })), "{refused:?}");
    let refused = block_on(resources.open(&id, &sealed, &OpenRequest::default()));
    assert!(matches!(refused, Err(DocumentError::Resource(Error::Denied { .. }))));

    // And enables it again: access comes back by an explicit refresh.
    server.disabled.store(false, Ordering::SeqCst);
    block_on(resources.refresh(&id))?;
    assert_eq!(block_on(resources.open(&id, &sealed, &OpenRequest::default()))?, text);

    let trail = verify(&home.path().join("audit.jsonl"), &audit_key, None)?;
    println!("{trail:?}\n{:?}", resources.stats());
    Ok(())
}
