//! A vault's public keys, kept for a while: documents are wrapped without a request for each.
//!
//! ```text
//! description that is young enough -> enabled? may wrap? in its time? -> key to wrap with
//! else one request, whoever waits  -> the version's own public key?   -> as above
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_lock::Mutex as AsyncMutex;
use futures_util::future::{Either, select};
use strongroom::wrap::WrappingKey;

use super::{KeyDescription, Vault, VaultError, VersionedKeyId};
use crate::clock::Clock;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// The RSA keys of a vault, to wrap with locally. A key is described once in a while and not once a document;
/// what the vault said of it then (whether it is enabled, what it may do, from when to when) is checked
/// each time.
///
/// # Security
///
/// A version never gets another public key: the first one that is seen of it, or the one that
/// [`WrappingKeys::pin`] names, is the only one ever given out. A key that its owner disables wraps for
/// `max_age` at most from then on.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use strongroom_keys::clock::SystemClock;
/// use strongroom_keys::vault::{VersionedKeyId, WrappingKeys};
/// use strongroom_keys::LocalVault;
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// let id = VersionedKeyId::try_from(&vault.create("invoices")?)?;
///
/// let keys = WrappingKeys::new(Arc::new(vault), Arc::new(SystemClock), Duration::from_secs(60));
/// let key = futures_lite::future::block_on(keys.get(&id))?;
/// assert_eq!(key.wrap(b"a data key")?.len(), 256);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WrappingKeys {
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    max_age: Duration,
    entries: Mutex<HashMap<VersionedKeyId, Arc<Entry>>>,
}

/// One version of a key.
#[derive(Default)]
struct Entry {
    pinned: Mutex<Option<[u8; 32]>>,
    /// Held while the vault is asked.
    answer: AsyncMutex<Option<Answer>>,
    /// How often it has answered.
    answers: AtomicU64,
}

/// What the vault said last, and when it was asked, in [`Clock::elapsed`]'s time.
struct Answer {
    asked: Duration,
    said: Result<KeyDescription, VaultError>,
}

impl Entry {
    /// `said`, where it is of `id` and shows the public key that the version has.
    fn checked(
        &self,
        id: &VersionedKeyId,
        said: KeyDescription,
    ) -> Result<KeyDescription, VaultError> {
        let invalid =
            |reason: &str| VaultError::Invalid { reason: format!("the key {id}: {reason}") };
        if said.id != *id {
            return Err(invalid("its vault described another key"));
        }
        let Some(shown) = said.thumbprint()? else {
            return Err(invalid("it has no public key; wrap with it in its vault"));
        };
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if *pinned.get_or_insert(shown) != shown {
            return Err(invalid(
                "its vault shows another public key than this version has; ask who runs the vault",
            ));
        }
        Ok(said)
    }
}

impl WrappingKeys {
    /// Keys of `vault`, each described anew once it was described `max_age` ago.
    #[must_use]
    pub fn new(vault: Arc<dyn Vault>, clock: Arc<dyn Clock>, max_age: Duration) -> Self {
        Self { vault, clock, max_age, entries: Mutex::default() }
    }

    /// From now on the version `id` has the public key of this thumbprint
    /// ([`KeyDescription::thumbprint`]) and no other.
    pub fn pin(&self, id: &VersionedKeyId, thumbprint: [u8; 32]) {
        let entry = self.entry(id);
        *entry.pinned.lock().unwrap_or_else(PoisonError::into_inner) = Some(thumbprint);
    }

    /// The key to wrap with now. Where the vault has to be asked, all who wait for the same key share one
    /// request.
    ///
    /// # Errors
    ///
    /// Those of [`Vault::describe`], which may take 3 s, and [`KeyDescription::wrapping_key`]; [`VaultError::Invalid`] where the
    /// vault shows another public key than the version has, or describes another key. Nothing that is older
    /// than `max_age` is given out instead.
    pub async fn get(&self, id: &VersionedKeyId) -> Result<WrappingKey, VaultError> {
        let entry = self.entry(id);
        let heard = entry.answers.load(Ordering::Acquire);
        let mut last = entry.answer.lock().await;
        let asked = self.clock.elapsed();
        let serves = last.as_ref().is_some_and(|answer| match answer.said {
            Ok(_) => asked.saturating_sub(answer.asked) < self.max_age,
            // It failed while this caller waited.
            Err(_) => entry.answers.load(Ordering::Acquire) != heard,
        });
        if !serves {
            let said = self.ask(id).await.and_then(|said| entry.checked(id, said));
            *last = Some(Answer { asked, said });
            entry.answers.fetch_add(1, Ordering::Release);
        }
        let said = last.as_ref().map(|answer| answer.said.clone());
        drop(last);
        let none = || VaultError::Invalid { reason: format!("the key {id} was not described") };
        // Once more: a pin counts for what was heard before it, too.
        let said = entry.checked(id, said.unwrap_or_else(|| Err(none()))?)?;
        said.wrapping_key(self.clock.unix_time())
    }

    /// Asks the vault, and gives up after the time limit.
    async fn ask(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        let limit = self.clock.sleep(REQUEST_TIMEOUT);
        match select(self.vault.describe(id), limit).await {
            Either::Left((said, _)) => said,
            Either::Right(_) => {
                let reason = format!("{}: no answer within {REQUEST_TIMEOUT:?}", self.vault.id());
                Err(VaultError::Unavailable { reason, retry_after: None })
            }
        }
    }

    fn entry(&self, id: &VersionedKeyId) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(entries.entry(id.clone()).or_default())
    }
}

impl fmt::Debug for WrappingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappingKeys").field("vault", &self.vault).finish_non_exhaustive()
    }
}
