//! Withdrawing access, for hosts and for the refusals of vaults alike.
//!
//! ```text
//! 1 note it as pending       from here on this process acts as if it were written
//! 2 wipe the cache           whatever the store, the audit trail or the vault does next
//! 3 persist                  now, or with the next request for keys
//! 4 wipe the cache again     a request under way may have brought keys back before step 3
//! ```

use super::record::Resource;
use super::repository::Repository;
use super::transition::{Event, apply};
use crate::cache::KeyCache;
use crate::error::Error;
use crate::id::ResourceId;
use crate::vault::VaultError;

/// The outcome of a withdrawal.
#[derive(Debug)]
pub(crate) struct Withdrawal {
    /// The error that callers get from now on; `None` where the event withdraws nothing.
    pub(crate) closed: Option<Error>,
    /// The outcome for the host. Where the state could not be written, access has ended in this process.
    pub(crate) written: Result<(), Error>,
}

/// Withdraws access to a resource by `event`.
pub(crate) async fn withdraw(
    repository: &Repository,
    cache: &KeyCache,
    id: &ResourceId,
    event: Event,
) -> Withdrawal {
    let pending = repository.pending();
    let noted = pending.push(id, event.clone()); // 1
    let _told_by_step_4 = wipe(repository, cache, id, &event); // 2
    let written = repository.persist_pending(id).await; // 3
    let closed = wipe(repository, cache, id, &event); // 4
    match closed {
        Ok(Some(closed)) => Withdrawal { closed: Some(closed), written },
        // Nothing to withdraw, so nothing to repeat; a resource that was never read may have something.
        Ok(None) => {
            let unknown = repository.known(id).is_none();
            if !unknown || matches!(written, Err(Error::NotFound { .. })) {
                pending.done(id, noted);
            }
            Withdrawal { closed: None, written }
        }
        Err(not_taken) => {
            pending.done(id, noted);
            Withdrawal { closed: None, written: Err(not_taken) }
        }
    }
}

/// Wipes the cached keys where the newest state that is known closes by `event`; the error that follows.
///
/// # Errors
///
/// That of the event, where the state does not take it.
fn wipe(
    repository: &Repository,
    cache: &KeyCache,
    id: &ResourceId,
    event: &Event,
) -> Result<Option<Error>, Error> {
    let Some(known) = repository.known(id) else { return Ok(None) };
    let closed = apply(&known.resource, event)?.check_access().err();
    if let Some(error) = &closed {
        cache.wipe(id, Some(error));
    }
    Ok(closed)
}

/// Withdraws access where `error` is the vault's refusal of the customer's key in use, and gives the error
/// that follows. Any other error comes back as it is.
pub(crate) async fn apply_refusal(
    repository: &Repository,
    cache: &KeyCache,
    resource: &Resource,
    error: Error,
) -> Error {
    let (Error::Vault(refusal), Some(cmk)) = (&error, resource.protection.cmk()) else {
        return error;
    };
    let VaultError::Denied { reason, .. } = refusal else { return error };
    if !refusal.is_definite_about(&cmk.key) {
        return error;
    }
    let at = repository.clock().unix_time();
    let event = Event::Refused { key: cmk.key.clone(), reason: *reason, at };
    withdraw(repository, cache, &resource.id, event).await.closed.unwrap_or(error)
}
