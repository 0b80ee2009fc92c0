//! The keys of a resource: how they are wrapped, and unwrapped in memory.
//!
//! ```text
//! service vault key ── A256KW ──> service root ── A256KW ──> earlier service keys, hour keys, the stand-in,
//!                                                            customer keys of closed epochs
//! CMK ── RSA-OAEP-256 ──────────> customer root ── A256KW ─> earlier customer keys of this epoch
//! ```
//!
//! A root is the newest service key or the newest customer key. A vault wraps roots only, so one
//! request opens all of a layer's keys, and rotating a vault's key wraps one key anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use strongroom::secret::{Secret, SecretVec};
use strongroom::wrap::{Algorithm, UnwrappingKey, WrappingKey};

use crate::error::Error;
use crate::id::{KeyKind, KeyLabel, ResourceId};
use crate::vault::VersionedKeyId;
use strongroom_vault::hex;

/// The key that wraps another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WrappedBy {
    /// A key in a vault.
    Vault(VersionedKeyId),
    /// A root of the same resource.
    Root(KeyLabel),
}

/// A key of a resource, wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) label: KeyLabel,
    /// Of a customer key: which `enable_cmk` made it. 0 of others.
    pub(crate) epoch: u64,
    pub(crate) by: WrappedBy,
    #[serde(with = "hex")]
    pub(crate) wrapped: Vec<u8>,
}

/// A layer of encryption, with the keys of one owner. A vault unwraps one root for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Layer {
    /// The service's: layer 1.
    Service,
    /// The customer's: layer 2.
    Customer,
}

impl Layer {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Service => Self::Customer,
            Self::Customer => Self::Service,
        }
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Service => Algorithm::A256Kw,
            Self::Customer => Algorithm::RsaOaep256,
        }
    }
}

const MAGIC: &[u8; 5] = b"SRMRK";
const VERSION: u8 = 1;
/// The bytes before the key: magic, version, kind, a zero byte (A256KW wraps multiples of 8 bytes),
/// SHA-256 of the key's id.
const PREFIX_LEN: usize = 40;

/// The payload that is wrapped: `"SRMRK" || version || kind || 0 || SHA-256(id) || key`, 72 bytes.
pub(crate) fn payload(kind: u8, id: &str, key: &Secret<32>) -> SecretVec {
    let mut bytes = Vec::with_capacity(PREFIX_LEN + 32);
    bytes.extend(prefix(kind, id));
    bytes.extend(key.expose());
    SecretVec::from(bytes)
}

/// The key in `payload`; `None` where it was wrapped as another one.
pub(crate) fn from_payload(kind: u8, id: &str, payload: &SecretVec) -> Option<Secret<32>> {
    let (found, key) = payload.expose().split_last_chunk::<32>()?;
    (found == prefix(kind, id)).then(|| Secret::copy_from(key))
}

fn prefix(kind: u8, id: &str) -> [u8; PREFIX_LEN] {
    let mut prefix = [0; PREFIX_LEN];
    let (front, hash) = prefix.split_at_mut(8);
    let (magic, numbers) = front.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    numbers.copy_from_slice(&[VERSION, kind, 0]);
    hash.copy_from_slice(&Sha256::digest(id));
    prefix
}

/// A key in the clear, named and expanded once for all that it wraps and unwraps.
#[derive(Debug)]
pub(crate) struct ResourceKey {
    pub(crate) label: KeyLabel,
    pub(crate) epoch: u64,
    pub(crate) secret: Secret<32>,
    pub(crate) wrapping: WrappingKey,
    pub(crate) unwrapping: UnwrappingKey,
}

impl ResourceKey {
    fn new(
        resource: &ResourceId,
        label: KeyLabel,
        epoch: u64,
        secret: Secret<32>,
    ) -> Result<Self, Error> {
        let id = label.key_id(resource).map_err(Error::engine("name a key"))?;
        let copy = || Secret::copy_from(secret.expose());
        let (wrapping, unwrapping) =
            (WrappingKey::aes(id.clone(), copy()), UnwrappingKey::aes(id, copy()));
        Ok(Self { label, epoch, secret, wrapping, unwrapping })
    }

    pub(crate) fn generate(
        resource: &ResourceId,
        label: KeyLabel,
        epoch: u64,
    ) -> Result<Self, Error> {
        let secret = Secret::generate().map_err(Error::engine("make a key"))?;
        Self::new(resource, label, epoch, secret)
    }

    pub(crate) fn payload(&self, resource: &ResourceId) -> SecretVec {
        payload(self.label.kind.code(), &self.label.text(resource), &self.secret)
    }

    /// The key that a vault unwrapped for `record`.
    pub(crate) fn from_payload(
        resource: &ResourceId,
        record: &KeyRecord,
        unwrapped: &SecretVec,
    ) -> Result<Self, Error> {
        let (label, epoch) = (record.label, record.epoch);
        let id = label.text(resource);
        let secret =
            from_payload(label.kind.code(), &id, unwrapped).ok_or(Error::WrongKey { key: id })?;
        Self::new(resource, label, epoch, secret)
    }

    /// This key wrapped by `root`, a key of the same resource, and unwrapped again.
    pub(crate) fn wrapped_by(
        &self,
        resource: &ResourceId,
        root: &Self,
    ) -> Result<KeyRecord, Error> {
        let wrapped = root.wrapping.wrap(self.payload(resource).expose());
        let wrapped = wrapped.map_err(Error::engine("wrap a key"))?;
        let (label, epoch, by) = (self.label, self.epoch, WrappedBy::Root(root.label));
        let record = KeyRecord { label, epoch, by, wrapped };
        let again = root.unwrapping.unwrap(&record.wrapped);
        let again = again.map_err(Error::engine("unwrap a key"))?;
        if Self::from_payload(resource, &record, &again)?.secret == self.secret {
            Ok(record)
        } else {
            Err(Error::WrongKey { key: self.label.text(resource) })
        }
    }
}

/// The wrapped keys of one state of a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrappedKeys<'s> {
    pub(crate) resource: &'s ResourceId,
    /// The state's number.
    pub(crate) number: u64,
    /// True where the state has a customer-managed key.
    pub(crate) under_cmk: bool,
    pub(crate) records: &'s [KeyRecord],
}

impl<'s> WrappedKeys<'s> {
    /// The root of a layer.
    pub(crate) fn root(self, layer: Layer) -> Option<&'s KeyRecord> {
        let by_vault = |key: &&KeyRecord| matches!(key.by, WrappedBy::Vault(_));
        self.records.iter().filter(by_vault).find(|key| key.label.kind == KeyKind::from(layer))
    }

    /// The keys that a root wraps.
    pub(crate) fn children_of(self, root: KeyLabel) -> impl Iterator<Item = &'s KeyRecord> {
        self.records.iter().filter(move |key| key.by == WrappedBy::Root(root))
    }
}

/// All keys of one layer of a resource, in memory: the root, and the keys that it wraps.
#[derive(Debug)]
pub(crate) struct KeyRing {
    pub(crate) layer: Layer,
    /// The root's record: as long as it stays the same, so does the root.
    pub(crate) record: KeyRecord,
    /// The number of the state that the keys are of.
    pub(crate) number: u64,
    /// True where the resource is under a customer-managed key in that state.
    pub(crate) under_cmk: bool,
    keys: BTreeMap<KeyLabel, Arc<ResourceKey>>,
}

impl KeyRing {
    /// The keys that the root of `layer` opens in a state.
    pub(crate) fn build(
        layer: Layer,
        state: WrappedKeys<'_>,
        root: Arc<ResourceKey>,
    ) -> Result<Self, Error> {
        let id = state.resource;
        let record = state.root(layer).filter(|record| record.label == root.label).cloned();
        let record = record.ok_or_else(|| Error::WrongKey { key: root.label.text(id) })?;
        let mut keys = BTreeMap::new();
        for child in state.children_of(root.label) {
            let unwrapped = root.unwrapping.unwrap(&child.wrapped);
            let unwrapped = unwrapped.map_err(|_| Error::WrongKey { key: child.label.text(id) })?;
            keys.insert(child.label, Arc::new(ResourceKey::from_payload(id, child, &unwrapped)?));
        }
        keys.insert(root.label, root);
        let (number, under_cmk) = (state.number, state.under_cmk);
        Ok(Self { layer, record, number, under_cmk, keys })
    }

    /// The same root's keys in a newer state; `None` where the root is another one there.
    pub(crate) fn rebuild(&self, state: WrappedKeys<'_>) -> Option<Self> {
        Self::build(self.layer, state, Arc::clone(self.root()?)).ok()
    }

    pub(crate) fn root(&self) -> Option<&Arc<ResourceKey>> {
        self.keys.get(&self.record.label)
    }

    pub(crate) fn get(&self, label: KeyLabel) -> Option<&Arc<ResourceKey>> {
        self.keys.get(&label)
    }

    /// Every key but the root.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Arc<ResourceKey>> {
        self.keys.values().filter(|key| key.label != self.record.label)
    }

    /// The label that a new root of this layer has.
    pub(crate) fn next_label(&self) -> KeyLabel {
        let label = self.record.label;
        KeyLabel { version: label.version.saturating_add(1), ..label }
    }
}

impl From<Layer> for KeyKind {
    /// The kind of a layer's root.
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Service => Self::Service,
            Layer::Customer => Self::Customer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind and id are part of what is wrapped: no key serves as another.
    #[test]
    fn payload_is_bound() {
        let key = Secret::copy_from(&[9; 32]);
        let bytes = payload(2, "resource/contoso/customer/1", &key);
        assert_eq!(bytes.expose().len(), 72);
        assert_eq!(bytes.expose()[..8], *b"SRMRK\x01\x02\x00");
        assert_eq!(from_payload(2, "resource/contoso/customer/1", &bytes), Some(key));
        assert_eq!(from_payload(1, "resource/contoso/customer/1", &bytes), None);
        assert_eq!(from_payload(2, "resource/contoso/customer/2", &bytes), None);
        for at in 0..PREFIX_LEN {
            let mut changed = bytes.expose().to_vec();
            changed[at] ^= 1;
            let changed = SecretVec::from(changed);
            assert_eq!(from_payload(2, "resource/contoso/customer/1", &changed), None, "{at}");
        }
    }
}
