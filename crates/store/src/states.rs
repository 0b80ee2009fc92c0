//! States of a service's resources, as hidden objects beside its data: `.strongroom/states/NAME/00000000000000000007`.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use strongroom_keys::state::{Created, LONGEST, NUMBERED, StateError, StateStore, check_name};

use crate::names;

/// The part of the path that all states have in common.
const FOLDER: &str = "states";

/// Digits of a number in a path: listings are in the order of numbers.
const DIGITS: usize = 20;

/// A [`StateStore`] in any object store, for any number of hosts.
///
/// The states may lie in the store that a [`SealedStore`](crate::SealedStore) seals into: no path of a client's names them. Clones are
/// one store.
///
/// Creating is conditional ([`PutMode::Create`]), and counts only where no higher number is there afterwards: a slow writer may
/// create a number that was pruned meanwhile. Such an object is erased, or removed where its number would be free, before the
/// answer is [`Created::Exists`]. That may meet a writer whose state others have written on already: it decides anew, on what
/// they wrote. Where an answer is lost, the object is read: with the same bytes it was created.
///
/// # Security
///
/// A bucket that keeps versions, or what was deleted, keeps erased states as well, and with them the wrapped keys of hours that
/// were destroyed: whoever has the service key opens expired documents with those. Keep the states outside such a bucket, or promise no
/// erasure. A rule that deletes old objects may not reach them either: a resource without its state is lost.
///
/// The store must list what it has acknowledged, as S3, Azure and Google do. For a directory of one machine there is
/// [`FileStore`](strongroom_keys::state::FileStore): it is private, synced, and swept of what killed writers leave behind, none of which
/// `LocalFileSystem` does by itself.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use object_store::memory::InMemory;
/// use strongroom_keys::state::{Created, StateStore};
/// use strongroom_store::ObjectStates;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let inner = Arc::new(InMemory::new());
/// let states = ObjectStates::new(inner);
/// assert_eq!(states.create("contoso", 1, b"first").await?, Created::New);
/// assert_eq!(states.create("contoso", 1, b"second").await?, Created::Exists);
/// assert_eq!(states.read("contoso", 1).await?, Some(b"first".to_vec()));
/// # Ok::<(), strongroom_keys::state::StateError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObjectStates {
    inner: Arc<dyn ObjectStore>,
}

impl ObjectStates {
    /// The states in `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }

    /// The objects under a prefix, by name and number. What else lies there is none of them.
    async fn objects(&self, prefix: &Path) -> Result<Vec<(String, u64)>, StateError> {
        let listed = self.inner.list(Some(prefix));
        let objects = listed.try_filter_map(|meta| ready(Ok(parse(&meta.location))));
        objects.try_collect().await.map_err(failed("list", prefix))
    }

    /// True where the object is there with these bytes, false where it is another one, `None` where there is none. An empty
    /// one was erased, whatever it held.
    async fn holds(
        &self,
        name: &str,
        number: u64,
        bytes: &[u8],
    ) -> Result<Option<bool>, StateError> {
        let found = self.read(name, number).await?;
        Ok(found.map(|found| !found.is_empty() && found == bytes))
    }

    /// Counts an object that this writer has created, unless a higher number is there: then it is undone.
    async fn count(&self, name: &str, number: u64) -> Result<Created, StateError> {
        let numbers = self.list(name).await?;
        let newest = numbers.last().copied().unwrap_or(0);
        if newest > number {
            // As pruning does: a number is free only that far below.
            if number.saturating_add(NUMBERED) <= newest {
                self.remove(name, number).await?;
            } else {
                self.erase(name, number).await?;
            }
            return Ok(Created::Exists);
        }
        if newest < number {
            let doing = format!("create {}", path(name, number)?);
            let reason =
                "the store does not list what it has taken: keep states in one that lists at once";
            return Err(StateError::Io { doing, reason: reason.to_owned() });
        }
        Ok(Created::New)
    }
}

#[async_trait]
impl StateStore for ObjectStates {
    async fn names(&self) -> Result<Vec<String>, StateError> {
        let objects = self.objects(&names::hidden(&[FOLDER])).await?;
        let names: BTreeSet<String> = objects.into_iter().map(|(name, _)| name).collect();
        Ok(names.into_iter().collect())
    }

    async fn list(&self, name: &str) -> Result<Vec<u64>, StateError> {
        let objects = self.objects(&folder(name)?).await?;
        let mut numbers: Vec<u64> = objects.into_iter().map(|(_, number)| number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    async fn read(&self, name: &str, number: u64) -> Result<Option<Vec<u8>>, StateError> {
        let path = path(name, number)?;
        let read = async {
            let answer = match self.inner.get(&path).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                answer => answer.map_err(|error| error.to_string())?,
            };
            let size = answer.meta.size;
            if size > LONGEST {
                return Err("it is too long for a state".to_owned());
            }
            let bytes = answer.bytes().await.map_err(|error| error.to_string())?;
            // One that is cut to nothing would pass for an erased one.
            if bytes.len() as u64 != size {
                return Err(format!("{} of its {size} bytes arrived", bytes.len()));
            }
            Ok(Some(bytes.to_vec()))
        };
        read.await.map_err(|reason| StateError::Io { doing: format!("read {path}"), reason })
    }

    async fn create(&self, name: &str, number: u64, bytes: &[u8]) -> Result<Created, StateError> {
        let path = path(name, number)?;
        let create = PutOptions::from(PutMode::Create);
        match self.inner.put_opts(&path, bytes.to_vec().into(), create).await {
            Ok(_) => {}
            // The answer to an earlier try may have been lost.
            Err(Error::AlreadyExists { .. }) => {
                if self.holds(name, number, bytes).await? != Some(true) {
                    return Ok(Created::Exists);
                }
            }
            Err(error) => match self.holds(name, number, bytes).await {
                Ok(Some(true)) => {}
                Ok(Some(false)) => return Ok(Created::Exists),
                // It may still be on its way.
                Ok(None) | Err(_) => return Err(failed("create", &path)(error)),
            },
        }
        self.count(name, number).await
    }

    async fn erase(&self, name: &str, number: u64) -> Result<(), StateError> {
        let path = path(name, number)?;
        let erased = self.inner.put(&path, Vec::new().into()).await;
        erased.map(|_| ()).map_err(failed("erase", &path))
    }

    async fn remove(&self, name: &str, number: u64) -> Result<(), StateError> {
        let path = path(name, number)?;
        match self.inner.delete(&path).await {
            Err(Error::NotFound { .. }) => Ok(()),
            removed => removed.map_err(failed("remove", &path)),
        }
    }
}

fn folder(name: &str) -> Result<Path, StateError> {
    check_name(name)?;
    Ok(names::hidden(&[FOLDER, name]))
}

fn path(name: &str, number: u64) -> Result<Path, StateError> {
    check_name(name)?;
    Ok(names::hidden(&[FOLDER, name, &format!("{number:0DIGITS$}")]))
}

/// The name and the number in the path of an object; `None` where it is none of the states.
fn parse(location: &Path) -> Option<(String, u64)> {
    let mut parts = location.parts().skip(2);
    let (name, number) = (parts.next()?, parts.next()?);
    let (name, number) = (name.as_ref(), number.as_ref().parse().ok()?);
    // Also what has other digits, or lies deeper.
    let is_state = path(name, number).is_ok_and(|path| path == *location);
    is_state.then(|| (name.to_owned(), number))
}

fn failed(doing: &str, path: &Path) -> impl FnOnce(Error) -> StateError {
    let doing = format!("{doing} {path}");
    move |error| StateError::Io { doing, reason: error.to_string() }
}
