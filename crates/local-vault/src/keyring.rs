//! The keys of a vault's passphrase: what seals the private keys, and what authenticates the rest.
//!
//! ```text
//! passphrase, salt --Argon2id--> 256 bits, which seal the vault key (AES-256-GCM) in vault.json
//! vault key --HMAC-SHA-256 "strongroom/1 vault seal"--> seals private keys (AES-256-GCM)
//! vault key --HMAC-SHA-256 "strongroom/1 vault check"--> authenticates attributes, grants, settings
//! vault key --HMAC-SHA-256 "strongroom/1 vault trail"--> chains the audit trail, unless the vault was made without a
//!           passphrase: then the trail keeps its key, sealed
//! ```
//!
//! The vault key stays the same until the passphrase is taken away, so that a new passphrase rewrites one file.
//! Without a passphrase the second key is all zeros: the checks then find accidents, and nobody but
//! the permission bits of the directory keeps anyone out.

use std::path::Path;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use strongroom::gcm::{Aes256Gcm, NONCE_LEN, TAG_LEN};
use strongroom::secret::{Secret, SecretVec};
use strongroom_vault::mac::hmac_sha256;
use zeroize::Zeroizing;

use super::error::LocalVaultError;
use super::id::VaultId;
use super::options::PassphraseCost;

/// The vault key sealed under a passphrase, as `vault.json` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PassphraseLock {
    /// Always `argon2id`, version 0x13.
    kdf: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    /// 16 random bytes.
    salt: String,
    /// Names the vault key, so that one from before another passphrase is not taken for a changed file.
    vault_key: String,
    /// Nonce, ciphertext and tag of the vault key.
    sealed: String,
}

const KDF: &str = "argon2id-v19";
const SALT_LEN: usize = 16;

impl PassphraseLock {
    /// Locks `vault_key` with `passphrase`.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Setting`] where the cost is out of bounds, [`LocalVaultError::Random`].
    pub(super) fn new(
        vault: &VaultId,
        vault_key: &Secret<32>,
        passphrase: &SecretVec,
        cost: PassphraseCost,
    ) -> Result<Self, LocalVaultError> {
        cost.check()?;
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| LocalVaultError::Random)?;
        let mut lock = Self {
            kdf: KDF.to_owned(),
            memory_kib: cost.memory_kib,
            passes: cost.passes,
            lanes: cost.lanes,
            salt: base16ct::lower::encode_string(&salt),
            vault_key: name_of(vault_key),
            sealed: String::new(),
        };
        let key = derive(passphrase, &salt, cost)?;
        let sealed =
            seal(&Aes256Gcm::new(key.expose()), &lock.bound_to(vault), vault_key.expose())?;
        lock.sealed = base16ct::lower::encode_string(&sealed);
        Ok(lock)
    }

    /// The vault key. The parameters come from a file that anyone may have written: they are bounded
    /// before any work is done, and authenticated by it.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::PassphraseWrong`], [`LocalVaultError::Damaged`] where the file cannot be meant
    /// so.
    pub(super) fn unlock(
        &self,
        vault: &VaultId,
        passphrase: &SecretVec,
        file: &Path,
    ) -> Result<Secret<32>, LocalVaultError> {
        let damaged = |reason| LocalVaultError::Damaged { path: file.to_owned(), reason };
        let cost =
            PassphraseCost { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes };
        if self.kdf != KDF || cost.check().is_err() {
            return Err(damaged("the passphrase's parameters are out of bounds"));
        }
        let salt = base16ct::lower::decode_vec(&self.salt)
            .ok()
            .filter(|salt| salt.len() == SALT_LEN)
            .ok_or_else(|| damaged("the passphrase's salt is not of 16 bytes"))?;
        let sealed = base16ct::lower::decode_vec(&self.sealed)
            .map_err(|_| damaged("the sealed vault key is not hexadecimal"))?;
        let key = derive(passphrase, &salt, cost)?;
        let opened = open(&Aes256Gcm::new(key.expose()), &self.bound_to(vault), &sealed);
        opened
            .and_then(|key| Some(Secret::copy_from(key.expose().try_into().ok()?)))
            .ok_or_else(|| LocalVaultError::PassphraseWrong { path: file.to_owned() })
    }

    /// True where it locks the vault key of `keyring`.
    pub(super) fn is_for(&self, keyring: &Keyring) -> bool {
        keyring.vault_key().is_some_and(|vault_key| name_of(vault_key) == self.vault_key)
    }

    /// Associated data of the sealed vault key: the vault and every parameter.
    fn bound_to(&self, vault: &VaultId) -> String {
        let Self { kdf, memory_kib, passes, lanes, salt, vault_key, .. } = self;
        format!(
            "strongroom/1 vault key|{vault}|{kdf}|{memory_kib}|{passes}|{lanes}|{salt}|{vault_key}"
        )
    }
}

/// The first 64 bits of an HMAC under the vault key, from which nothing else of it follows.
fn name_of(vault_key: &Secret<32>) -> String {
    let name = hmac_sha256(vault_key, &[b"strongroom/1 vault key name"]);
    base16ct::lower::encode_string(name.expose().first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// Argon2id (RFC 9106), with its memory wiped afterwards.
fn derive(
    passphrase: &SecretVec,
    salt: &[u8],
    cost: PassphraseCost,
) -> Result<Secret<32>, LocalVaultError> {
    let refused = |_| LocalVaultError::Setting {
        what: "the passphrase",
        reason: "it cannot be used with this cost; choose a shorter passphrase or a usual cost",
    };
    let params =
        Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(refused)?;
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(params.block_count()).map_err(|_| LocalVaultError::Memory)?;
    memory.resize(params.block_count(), Block::default());
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.expose(), salt, &mut *key, memory.as_mut_slice())
        .map_err(refused)?;
    Ok(Secret::copy_from(&key))
}

/// Keys from the passphrase, as a vault's handle holds them.
#[derive(Debug)]
pub(super) struct Keyring {
    sealed: Option<Sealed>,
    check: Secret<32>,
}

#[derive(Debug)]
struct Sealed {
    vault_key: Secret<32>,
    cipher: Aes256Gcm,
}

impl Keyring {
    /// Of a vault without a passphrase.
    pub(super) fn open() -> Self {
        Self { sealed: None, check: Secret::copy_from(&[0; 32]) }
    }

    /// Of a vault with one.
    pub(super) fn sealed(vault_key: Secret<32>) -> Self {
        let cipher =
            Aes256Gcm::new(hmac_sha256(&vault_key, &[b"strongroom/1 vault seal"]).expose());
        let check = hmac_sha256(&vault_key, &[b"strongroom/1 vault check"]);
        Self { sealed: Some(Sealed { vault_key, cipher }), check }
    }

    /// The key of the audit trail, where the vault has a passphrase.
    pub(super) fn trail_key(&self) -> Option<Secret<32>> {
        Some(hmac_sha256(self.vault_key()?, &[b"strongroom/1 vault trail"]))
    }

    /// The vault key, where the vault has a passphrase: a new passphrase locks it again.
    pub(super) fn vault_key(&self) -> Option<&Secret<32>> {
        self.sealed.as_ref().map(|sealed| &sealed.vault_key)
    }

    /// True where the vault has a passphrase.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// The check of `contents` as the document `label` of the vault.
    pub(super) fn check(&self, label: &str, contents: &[u8]) -> Secret<32> {
        // A label holds no NUL: where it ends cannot be shifted.
        hmac_sha256(&self.check, &[b"strongroom/1 vault file|", label.as_bytes(), &[0], contents])
    }

    /// `key` sealed and bound to its id, where the vault has a passphrase.
    pub(super) fn seal(&self, id: &str, key: &[u8]) -> Option<Result<Vec<u8>, LocalVaultError>> {
        Some(seal(&self.sealed.as_ref()?.cipher, &key_label(id), key))
    }

    /// Opens the key that was sealed for `id`; `None` where it was not, or not with this passphrase's keys.
    pub(super) fn unseal(&self, id: &str, sealed: &[u8]) -> Option<SecretVec> {
        open(&self.sealed.as_ref()?.cipher, &key_label(id), sealed)
    }
}

fn key_label(id: &str) -> String {
    format!("strongroom/1 local key|{id}")
}

/// Nonce, ciphertext and tag. Nonces are random: a vault seals far fewer than 2^32 keys.
fn seal(cipher: &Aes256Gcm, label: &str, plaintext: &[u8]) -> Result<Vec<u8>, LocalVaultError> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| LocalVaultError::Random)?;
    let mut sealed = vec![0; NONCE_LEN + plaintext.len()];
    let (head, text) = sealed.split_at_mut(NONCE_LEN);
    head.copy_from_slice(&nonce);
    let tag = cipher
        .seal_into(&nonce, label.as_bytes(), plaintext, text)
        .map_err(|source| LocalVaultError::Key { key: label.to_owned(), source })?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

fn open(cipher: &Aes256Gcm, label: &str, sealed: &[u8]) -> Option<SecretVec> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
    cipher.open_into(nonce, label.as_bytes(), ciphertext, &mut plaintext, tag).ok()?;
    Some(SecretVec::from(std::mem::take(&mut *plaintext)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_for_its_own_id_alone() {
        let vault_key = Secret::copy_from(&[7; 32]);
        let keyring = Keyring::sealed(Secret::copy_from(vault_key.expose()));
        let sealed = keyring.seal("oct|local/0123456789abcdef/a/1", b"key").unwrap().unwrap();
        let opened =
            |keyring: &Keyring, id| keyring.unseal(id, &sealed).map(|key| key.expose().to_vec());
        let same = Keyring::sealed(vault_key);
        assert_eq!(opened(&same, "oct|local/0123456789abcdef/a/1"), Some(b"key".to_vec()));
        for other in [
            "oct|local/0123456789abcdef/a/2",
            "oct|local/0123456789abcdef/b/1",
            "oct|local/0123456789abcdee/a/1",
            "RSA|local/0123456789abcdef/a/1",
            "",
        ] {
            assert_eq!(opened(&same, other), None, "{other}");
        }
        let others = Keyring::sealed(Secret::copy_from(&[8; 32]));
        assert_eq!(opened(&others, "oct|local/0123456789abcdef/a/1"), None);
        assert_eq!(opened(&Keyring::open(), "oct|local/0123456789abcdef/a/1"), None);
        // Two seals of one key never share a nonce.
        let again = same.seal("oct|local/0123456789abcdef/a/1", b"key").unwrap().unwrap();
        assert_ne!(sealed[..NONCE_LEN], again[..NONCE_LEN]);
    }

    #[test]
    fn checks_differ_by_key_label_and_contents() {
        let sealed = Keyring::sealed(Secret::copy_from(&[7; 32]));
        let checks = [
            sealed.check("a", b"bc"),
            sealed.check("ab", b"c"),
            sealed.check("a", b"bd"),
            Keyring::open().check("a", b"bc"),
        ];
        for (number, check) in checks.iter().enumerate() {
            assert!(!checks[..number].contains(check), "{number}");
        }
    }
}
