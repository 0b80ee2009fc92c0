//! States in a directory: `ROOT/NAME/00000000000000000007.state`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::error::StateError;
use super::store::{Created, LONGEST, StateStore, check_name};
use strongroom_files::{name_unless_taken, sweep, temporary_name, try_for_keys};
use strongroom_vault::unblock;

const SUFFIX: &str = ".state";
/// The file that keeps room for withdrawals on a disk that fills up, and its length in bytes.
const RESERVE: &str = ".reserve";
const RESERVED: usize = 64 << 10;

/// A [`StateStore`] in a directory (0700) with a file (0600) for each object, for any number of processes.
///
/// An object is written under a temporary name, synced, and published by a hard link, or a
/// rename that replaces nothing, which fails where the number is taken; then the directory is synced. So it is there whole or not at all.
///
/// # Example
///
/// ```
/// use strongroom_keys::state::{FileStore, StateStore};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("state");
/// # futures_lite::future::block_on(async {
/// let store = FileStore::open(&path).await?;
/// store.create("contoso", 1, b"state").await?;
/// assert_eq!(store.list("contoso").await?, [1]);
/// // A name is checked before it becomes a path.
/// assert!(store.list("../contoso").await.is_err());
/// # Ok::<(), strongroom_keys::state::StateError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileStore {
    root: PathBuf,
}

impl FileStore {
    /// The store in the directory `root`, which is made where it is missing; its parent must be there.
    ///
    /// # Errors
    ///
    /// [`StateError::Exposed`] where other users can reach the directory; [`StateError::Io`], also where a new one's
    /// file system lacks what [keys need](strongroom_files::try_for_keys).
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, StateError> {
        let root = root.into();
        unblock(move || {
            let is_new = make_directory(&root).map_err(failed("create the directory", &root))?;
            if is_new {
                let fit = try_for_keys(&root).and_then(|fit| fit.map_err(io::Error::other));
                if let Err(error) = fit {
                    // Empty again. Best effort.
                    let _ = fs::remove_dir(&root);
                    return Err(failed("use the file system of", &root)(error));
                }
            }
            let metadata = fs::metadata(&root).map_err(failed("read", &root))?;
            let mode = strongroom_files::mode(&metadata);
            if mode & 0o077 != 0 {
                return Err(StateError::Exposed { path: root, mode });
            }
            let store = Self { root };
            // Without it a withdrawal waits for room like anything else.
            let _best_effort = store.reserve();
            Ok(store)
        })
        .await
    }

    /// Makes the reserve where it is missing: of bytes that no file system stores in less room.
    fn reserve(&self) -> io::Result<()> {
        let path = self.root.join(RESERVE);
        if path.try_exists()? {
            return Ok(());
        }
        let mut bytes = vec![0; RESERVED];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let written = strongroom_files::create_private(&path)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        if written.is_err() {
            let _best_effort = fs::remove_file(&path);
        }
        written
    }

    fn directory(&self, name: &str) -> Result<PathBuf, StateError> {
        check_name(name)?;
        Ok(self.root.join(name))
    }

    fn object(&self, name: &str, number: u64) -> Result<PathBuf, StateError> {
        check_name(name)?;
        Ok(self.root.join(Self::path_of(name, number)))
    }

    /// The path of the object `number` of `name`, from the store's directory.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_keys::state::FileStore;
    ///
    /// let path = FileStore::path_of("contoso", 7);
    /// assert!(path.ends_with("00000000000000000007.state"));
    /// ```
    #[must_use]
    pub fn path_of(name: &str, number: u64) -> PathBuf {
        Path::new(name).join(format!("{number:020}{SUFFIX}"))
    }
}

#[async_trait]
impl StateStore for FileStore {
    async fn names(&self) -> Result<Vec<String>, StateError> {
        let root = self.root.clone();
        unblock(move || {
            let mut names = entries(&root).map_err(failed("list", &root))?;
            names.retain(|name| check_name(name).is_ok());
            let mut with_objects = Vec::new();
            for name in names {
                // A directory without any is what was left where the first could not be written.
                let directory = root.join(&name);
                let objects = entries(&directory).map_err(failed("list", &directory))?;
                if objects.iter().any(|object| object.ends_with(SUFFIX)) {
                    with_objects.push(name);
                }
            }
            Ok(with_objects)
        })
        .await
    }

    async fn list(&self, name: &str) -> Result<Vec<u64>, StateError> {
        let directory = self.directory(name)?;
        let names =
            unblock(move || entries(&directory).map_err(failed("list", &directory))).await?;
        let number = |name: &String| {
            let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?;
            digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    async fn read(&self, name: &str, number: u64) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.object(name, number)?;
        unblock(move || read(&path).map_err(failed("read", &path))).await
    }

    async fn create(&self, name: &str, number: u64, bytes: &[u8]) -> Result<Created, StateError> {
        let (directory, path) = (self.directory(name)?, self.object(name, number)?);
        let bytes = bytes.to_vec();
        unblock(move || {
            let create = || {
                make_directory(&directory)?;
                let temporary = Temporary::write(&directory, &bytes)?;
                // Over a network the answer to the first try may be lost, and the second meets its work.
                let created = name_unless_taken(&temporary.path, &path)?
                    || strongroom_files::names(&temporary.file)? > 1;
                let created = if created { Created::New } else { Created::Exists };
                drop(temporary);
                strongroom_files::sync_directory(&directory)?;
                Ok(created)
            };
            create().map_err(failed("create", &path))
        })
        .await
    }

    async fn erase(&self, name: &str, number: u64) -> Result<(), StateError> {
        let (directory, path) = (self.directory(name)?, self.object(name, number)?);
        unblock(move || {
            let erase = || {
                let temporary = Temporary::write(&directory, &[])?;
                fs::rename(&temporary.path, &path)?;
                sweep(&directory);
                strongroom_files::sync_directory(&directory)
            };
            erase().map_err(failed("erase", &path))
        })
        .await
    }

    async fn make_room(&self) -> Result<bool, StateError> {
        let path = self.root.join(RESERVE);
        unblock(move || Ok(fs::remove_file(path).is_ok())).await
    }

    async fn remove(&self, name: &str, number: u64) -> Result<(), StateError> {
        let (directory, path) = (self.directory(name)?, self.object(name, number)?);
        unblock(move || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed
                .and_then(|()| strongroom_files::sync_directory(&directory))
                .map_err(failed("remove", &path)),
        })
        .await
    }
}

/// A file that has not got its name yet. It is locked as long as its writer lives, so that others do not take it for
/// what a process that was killed left behind.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    fn write(directory: &Path, bytes: &[u8]) -> io::Result<Self> {
        let temporary = loop {
            let path = directory.join(temporary_name(OsStr::new(""))?);
            let file = strongroom_files::create_private(&path)?;
            // Where there are no locks, the name tells that this process lives.
            let _ = file.lock();
            // Somebody who swept may have been faster than the lock.
            if path.try_exists()? {
                break Self { path, file };
            }
        };
        let mut file = &temporary.file;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already where it was renamed; what remains is swept.
        let _ignored = fs::remove_file(&self.path);
    }
}

/// Makes the directory durably; whether it was not there.
fn make_directory(path: &Path) -> io::Result<bool> {
    match strongroom_files::create_private_directory(path) {
        Ok(()) => {
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => {
                    strongroom_files::sync_directory(parent)?;
                }
                _ => strongroom_files::sync_directory(Path::new("."))?,
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect(),
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match strongroom_files::open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // One that is listed and leads nowhere would be looked for for ever.
            return match fs::symlink_metadata(path) {
                Ok(_) => Err(io::Error::other("it is a link that leads nowhere")),
                Err(_) => Ok(None),
            };
        }
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(LONGEST.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("it is too long for a state"));
    }
    Ok(Some(bytes))
}

fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let doing = format!("{doing} {}", path.display());
    move |error| StateError::Io { doing, reason: strongroom_files::words(&error) }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    /// Of many who create the same number at the same time, one does.
    #[test]
    fn one_creator_a_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let created: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let path = &path;
                    scope.spawn(move || {
                        let store = block_on(FileStore::open(path)).unwrap();
                        let create = |number| {
                            block_on(store.create("contoso", number, &[thread; 100])).unwrap()
                        };
                        (1..=20).filter(|number| create(*number) == Created::New).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(created, 20);
        let store = block_on(FileStore::open(&path)).unwrap();
        assert_eq!(block_on(store.list("contoso")).unwrap(), (1..=20).collect::<Vec<u64>>());
        for number in 1..=20 {
            let bytes = block_on(store.read("contoso", number)).unwrap().unwrap();
            assert!(bytes.len() == 100 && bytes.iter().all(|byte| *byte == bytes[0]));
        }
        // Nothing is left over.
        assert_eq!(fs::read_dir(path.join("contoso")).unwrap().count(), 20);
    }

    #[test]
    fn room_is_kept_once_and_made_again_when_the_store_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        for _ in 0..2 {
            let store = block_on(FileStore::open(&path)).unwrap();
            assert_eq!(fs::metadata(path.join(RESERVE)).unwrap().len(), RESERVED as u64);
            assert!(block_on(store.make_room()).unwrap());
            assert!(!block_on(store.make_room()).unwrap(), "there is none any more");
            assert_eq!(block_on(store.names()).unwrap(), Vec::<String>::new());
        }
    }

    #[cfg(unix)] // permission bits
    #[test]
    fn objects_are_private_and_names_are_checked() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let store = block_on(FileStore::open(&path)).unwrap();
        block_on(store.create("contoso", 7, b"state")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let object = path.join("contoso/00000000000000000007.state");
        assert_eq!(
            (mode(&path), mode(&path.join("contoso")), mode(&object)),
            (0o700, 0o700, 0o600)
        );
        for name in ["", "..", ".", "a/b", "/etc", "A", "a\0", "a.b", &"a".repeat(65)] {
            let refused = block_on(store.create(name, 1, b""));
            assert!(matches!(refused, Err(StateError::Name { .. })), "{name}");
            assert!(block_on(store.read(name, 1)).is_err());
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let error = block_on(FileStore::open(&path)).unwrap_err();
        assert_eq!(error, StateError::Exposed { path, mode: 0o750 });
    }

    #[cfg(unix)] // symbolic links
    #[test]
    fn a_link_that_leads_nowhere_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let store = block_on(FileStore::open(directory.path().join("state"))).unwrap();
        block_on(store.create("contoso", 1, b"one")).unwrap();
        let link = directory.path().join("state/contoso/00000000000000000002.state");
        std::os::unix::fs::symlink("/nonexistent", link).unwrap();
        assert_eq!(block_on(store.list("contoso")).unwrap(), [1, 2]);
        let told = block_on(store.read("contoso", 2)).unwrap_err();
        assert!(told.to_string().contains("a link that leads nowhere"), "{told}");
        assert_eq!(block_on(store.read("contoso", 3)).unwrap(), None);
    }

    /// Checks that leftovers of a crash are not objects, and that an erased one keeps its number.
    #[test]
    fn leftovers_and_erased_objects() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let store = block_on(FileStore::open(&path)).unwrap();
        block_on(store.create("contoso", 1, b"one")).unwrap();
        let leftover = path.join("contoso").join(temporary_name(OsStr::new("")).unwrap());
        fs::write(&leftover, b"half").unwrap();
        let on_its_way = Temporary::write(&path.join("contoso"), b"whole").unwrap();
        fs::write(path.join("contoso/2.state"), b"no number of ours").unwrap();
        assert_eq!(block_on(store.list("contoso")).unwrap(), [1]);
        assert_eq!(block_on(store.names()).unwrap(), ["contoso"]);
        for _ in 0..2 {
            block_on(store.erase("contoso", 1)).unwrap();
            assert_eq!(block_on(store.read("contoso", 1)).unwrap(), Some(Vec::new()));
        }
        assert!(!leftover.exists(), "it may hold a key that was destroyed");
        assert!(on_its_way.path.exists());
        assert_eq!(block_on(store.create("contoso", 1, b"two")).unwrap(), Created::Exists);
        for _ in 0..2 {
            block_on(store.remove("contoso", 1)).unwrap();
            assert_eq!(block_on(store.read("contoso", 1)).unwrap(), None);
        }
        assert_eq!(block_on(store.list("nobody")).unwrap(), Vec::<u64>::new());
    }
}
