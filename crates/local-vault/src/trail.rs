//! The vault's own audit trail and its key.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use strongroom::secret::Secret;
use zeroize::Zeroizing;

use super::error::LocalVaultError;
use super::keyring::Keyring;
use super::options::TrailOptions;
use strongroom_vault::audit::{AuditKey, JsonLines};

/// The name of its current file.
pub(super) const TRAIL: &str = "audit.jsonl";

/// Label of the trail's key where it is sealed: no id of a key is such.
const LABEL: &str = "trail";

/// Length of a full file, in bytes.
const FULL: u64 = 64 << 20;

/// The key of the trail in `vault.json`: it keeps whoever has a copy of the trail alone from changing it. With a
/// passphrase it is sealed. In a vault that was made with one the key comes from the vault key, and is not there.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TrailKey(Zeroizing<String>);

impl fmt::Debug for TrailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrailKey(redacted)")
    }
}

impl TrailKey {
    /// A fresh key, of a vault without a passphrase.
    pub(super) fn generate() -> Result<Self, LocalVaultError> {
        let key = Secret::generate().map_err(|_| LocalVaultError::Random)?;
        Self::new(&Keyring::open(), &key)
    }

    /// `key` for `vault.json`, sealed where `keyring` has the keys of a passphrase.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Random`], [`LocalVaultError::Key`].
    pub(super) fn new(keyring: &Keyring, key: &Secret<32>) -> Result<Self, LocalVaultError> {
        let text = match keyring.seal(LABEL, key.expose()) {
            Some(sealed) => base16ct::lower::encode_string(&sealed?),
            None => base16ct::lower::encode_string(key.expose()),
        };
        Ok(Self(Zeroizing::new(text)))
    }

    /// The key in `kept`, or the one that is derived from the passphrase; `None` where there is none, or another text.
    pub(super) fn secret(keyring: &Keyring, kept: Option<&Self>) -> Option<Secret<32>> {
        let Some(kept) = kept else { return keyring.trail_key() };
        let bytes = Zeroizing::new(base16ct::lower::decode_vec(kept.0.as_bytes()).ok()?);
        if !keyring.is_sealed() {
            return Some(Secret::copy_from(bytes.as_slice().try_into().ok()?));
        }
        let opened = keyring.unseal(LABEL, &bytes)?;
        Some(Secret::copy_from(opened.expose().try_into().ok()?))
    }
}

/// The trail of an opened vault.
#[derive(Debug)]
pub(super) struct VaultTrail {
    lines: JsonLines,
    key: AuditKey,
    options: TrailOptions,
}

impl VaultTrail {
    /// Of the vault in `path`; `None` where it has no key for it.
    pub(super) fn new(
        path: &Path,
        keyring: &Keyring,
        key: Option<&TrailKey>,
        options: TrailOptions,
    ) -> Option<Self> {
        let key = AuditKey::new(TrailKey::secret(keyring, key)?.expose());
        let lines = JsonLines::new(path.join(TRAIL), &key).rotate_at(FULL);
        Some(Self { lines, key, options })
    }

    /// Its options.
    pub(super) fn options(&self) -> &TrailOptions {
        &self.options
    }

    /// Its key.
    pub(super) fn key(&self) -> &AuditKey {
        &self.key
    }

    /// Its lines.
    pub(super) fn lines(&self) -> &JsonLines {
        &self.lines
    }
}
