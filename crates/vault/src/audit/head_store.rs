//! Storage for the head of a trail, so that a cut end is noticed.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use strongroom::secret::Secret;

use super::chain::{AuditKey, Head};
use super::error::AuditError;
use super::tail::{is_of_no_file, not_a_file};
use crate::hex;

/// Keeps the head of a trail out of reach of those who can write to the trail, such as in a
/// resource's authenticated state. Called on a thread that may block, while the trail is locked.
///
/// # Example
///
/// ```
/// use std::sync::Mutex;
///
/// use strongroom_vault::audit::{AuditError, Head, HeadStore};
///
/// #[derive(Debug, Default)]
/// struct InMemory(Mutex<Option<Head>>);
///
/// impl HeadStore for InMemory {
///     fn load(&self) -> Result<Option<Head>, AuditError> {
///         Ok(*self.0.lock().unwrap())
///     }
///
///     fn store(&self, head: &Head) -> Result<(), AuditError> {
///         *self.0.lock().unwrap() = Some(*head);
///         Ok(())
///     }
/// }
/// ```
pub trait HeadStore: Send + Sync + fmt::Debug {
    /// The head that was stored last; `None` where none ever was.
    ///
    /// # Errors
    ///
    /// [`AuditError`] where it cannot be read or was changed.
    fn load(&self) -> Result<Option<Head>, AuditError>;

    /// Keeps `head`, durably, in place of the one before.
    ///
    /// # Errors
    ///
    /// [`AuditError`] where it cannot be kept.
    fn store(&self, head: &Head) -> Result<(), AuditError>;
}

/// A head in a file of its own, under its own HMAC: nobody without the key can make one. Who can write to
/// this file can still put an older one back, or remove it; put it where those who can write to the trail
/// cannot.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditKey, FileHeadStore, Head, HeadStore};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.head");
/// let store = FileHeadStore::new(&path, &AuditKey::new(&[7; 32]));
/// assert_eq!(store.load()?, None);
/// let head = Head { number: 30, mac: [0xa5; 32] };
/// store.store(&head)?;
/// assert_eq!(store.load()?, Some(head));
///
/// let text = std::fs::read_to_string(&path)?;
/// std::fs::write(&path, text.replace("30:", "29:"))?;
/// assert!(store.load().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileHeadStore {
    path: PathBuf,
    key: AuditKey,
}

/// No kept head is longer, in bytes.
const LONGEST: u64 = 4096;

/// Content of the head's file.
#[derive(Serialize, Deserialize)]
struct Kept {
    head: Head,
    mac: String,
}

impl FileHeadStore {
    /// The head in the file `path`, under the trail's own `key`. The file's directory must be there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, key: &AuditKey) -> Self {
        Self { path: path.into(), key: key.clone() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl HeadStore for FileHeadStore {
    fn load(&self) -> Result<Option<Head>, AuditError> {
        let mut text = Vec::new();
        let file = match strongroom_files::open_regular(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_of_no_file(&error) => return Err(not_a_file(&self.path)),
            file => file.map_err(AuditError::io("open", &self.path))?,
        };
        file.take(LONGEST).read_to_end(&mut text).map_err(AuditError::io("read", &self.path))?;
        let kept: Option<Kept> = serde_json::from_slice(&text).ok();
        let held = kept.and_then(|kept| {
            let mac = Secret::copy_from(&hex::decode_array(&kept.mac)?);
            (self.key.head_mac(&kept.head) == mac).then_some(kept.head)
        });
        held.map(Some).ok_or_else(|| AuditError::Damaged {
            path: self.path.clone(),
            reason: "is not a kept head under this key; find out who wrote to it, or pass the right key",
        })
    }

    fn store(&self, head: &Head) -> Result<(), AuditError> {
        let mac = hex::encode(self.key.head_mac(head).expose());
        let line = format!("{{\"head\":\"{head}\",\"mac\":\"{mac}\"}}\n");
        strongroom_files::replace(&self.path, line.as_bytes())
            .map_err(AuditError::io("write", &self.path))
    }
}
