//! Numbered objects: the interface of a store, and its rules for names and old objects.

use async_trait::async_trait;

use super::error::StateError;

/// The number of newest objects that keep their content.
pub const KEPT: u64 = 8;

/// The distance below the newest at which a number is given free.
pub const NUMBERED: u64 = 256;

/// The length in bytes that no state exceeds: a thousand wrapped keys take half a megabyte.
pub const LONGEST: u64 = 16 << 20;

/// A store of states: a directory, a bucket, a table.
///
/// # Example
///
/// ```
/// use strongroom_keys::state::{Created, FileStore, StateStore};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("state");
/// # futures_lite::future::block_on(async {
/// let store = FileStore::open(&path).await?;
/// assert_eq!(store.create("contoso", 1, b"first").await?, Created::New);
/// assert_eq!(store.create("contoso", 1, b"second").await?, Created::Exists);
/// assert_eq!(store.read("contoso", 1).await?, Some(b"first".to_vec()));
/// # Ok::<(), strongroom_keys::state::StateError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait StateStore: Send + Sync + std::fmt::Debug {
    /// The names that have objects, in no particular order.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    async fn names(&self) -> Result<Vec<String>, StateError>;

    /// The numbers taken under `name`, erased ones too, in ascending order.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`], [`StateError::Name`].
    async fn list(&self, name: &str) -> Result<Vec<u64>, StateError>;

    /// An object, empty where it was erased; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`], [`StateError::Name`].
    async fn read(&self, name: &str, number: u64) -> Result<Option<Vec<u8>>, StateError>;

    /// Creates an object, durably and whole, if the number is free.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`]: whether it was created is then unknown; [`StateError::Name`].
    async fn create(&self, name: &str, number: u64, bytes: &[u8]) -> Result<Created, StateError>;

    /// Replaces an object by an empty one: its number stays taken. It may be erased already.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`], [`StateError::Name`].
    async fn erase(&self, name: &str, number: u64) -> Result<(), StateError>;

    /// Frees room that was kept for withdrawing access from a full store; false where there is none.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    async fn make_room(&self) -> Result<bool, StateError> {
        Ok(false)
    }

    /// Removes an object and frees its number. It may be gone already.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`], [`StateError::Name`].
    async fn remove(&self, name: &str, number: u64) -> Result<(), StateError>;
}

/// The outcome of creating an object.
///
/// # Example
///
/// ```
/// use strongroom_keys::state::Created;
///
/// assert_ne!(Created::New, Created::Exists);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New,
    /// Another one is there, and was not touched; or a store that looks has found a higher number, and this one is not there.
    Exists,
}

/// Refuses a name that states cannot have: it becomes the name of a directory.
///
/// # Errors
///
/// [`StateError::Name`].
pub fn check_name(name: &str) -> Result<(), StateError> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(StateError::Name { name: name.to_owned() })
    }
}

/// Erases what is older than the newest `kept` objects of `name`, and frees numbers far below.
///
/// The oldest is erased first: below an erased object all are erased, and a search from above may stop
/// there. Where a key is destroyed (`kept` is 1) every object is looked at all the same.
///
/// # Errors
///
/// Those of the store. Trying again does no harm.
pub(crate) async fn prune(
    store: &dyn StateStore,
    name: &str,
    newest: u64,
    kept: u64,
) -> Result<(), StateError> {
    let (mut far, mut whole) = (Vec::new(), Vec::new());
    let (mut all_erased_below, mut newest_older) = (false, None);
    for number in store.list(name).await?.into_iter().rev() {
        if number < newest && number.saturating_add(NUMBERED) > newest {
            newest_older = newest_older.or(Some(number));
        }
        if number.saturating_add(NUMBERED) <= newest {
            far.push(number);
        } else if number.saturating_add(kept) <= newest && !all_erased_below {
            match store.read(name, number).await? {
                Some(bytes) if bytes.is_empty() => all_erased_below = kept > 1,
                Some(_) => whole.push(number),
                None => {}
            }
        }
    }
    for number in far.into_iter().rev() {
        store.remove(name, number).await?;
    }
    // Where keys are destroyed one is erased in any case: it sweeps what a killed writer left meanwhile.
    if kept == 1 && whole.is_empty() {
        whole.extend(newest_older);
    }
    for number in whole.into_iter().rev() {
        store.erase(name, number).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::testing::MemoryStore;

    /// After any number of writes, and of prunes that were interrupted, the newest are whole, the rest is
    /// erased, and numbers far below are free.
    #[test]
    fn old_objects_are_erased_and_their_numbers_kept() {
        let store = MemoryStore::default();
        for number in 1..=600 {
            block_on(store.create("contoso", number, b"state")).unwrap();
            store.fail_after(Some(usize::try_from(number % 3).unwrap()));
            // What a failure leaves is for the next one to do.
            let _interrupted = block_on(prune(&store, "contoso", number, KEPT));
            store.fail_after(None);
        }
        block_on(prune(&store, "contoso", 600, KEPT)).unwrap();
        assert_eq!(store.numbers("contoso"), (593..=600).collect::<Vec<_>>());
        let taken = block_on(store.list("contoso")).unwrap();
        assert_eq!(taken, (345..=600).collect::<Vec<_>>());
        block_on(prune(&store, "contoso", 600, 1)).unwrap();
        assert_eq!(store.numbers("contoso"), [600]);
        assert_eq!(block_on(store.list("contoso")).unwrap(), taken);
    }

    /// A search for keys to destroy does not trust the order in which objects were erased.
    #[test]
    fn destroying_looks_at_every_object() {
        let store = MemoryStore::default();
        for number in 1..=5 {
            block_on(store.create("contoso", number, b"state")).unwrap();
        }
        block_on(store.erase("contoso", 4)).unwrap();
        block_on(prune(&store, "contoso", 5, 1)).unwrap();
        assert_eq!(store.numbers("contoso"), [5]);
    }
}
