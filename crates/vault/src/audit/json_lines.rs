//! The sink for files: JSON lines that are chained by their macs.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;

use super::chain::{AuditKey, Head};
use super::disk::{Disk, RealDisk};
use super::error::AuditError;
use super::event::{AuditEvent, AuditResult, AuditSink};
use super::head_store::HeadStore;
use super::known::{Known, Outlines, StateMark, note_outline};
use super::line::{AuditLine, Torn};
use super::recall::{FoundDamage, recall};
use super::salvage::salvage;
use super::tail::{self, Access, Tail};
use super::text::bounded;
use super::verify::{Verified, verify_each};
use crate::lock::lock;
use crate::offload::unblock;

/// Durability of a trail's lines.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditKey, JsonLines, Sync};
///
/// let trail = JsonLines::new("audit.jsonl", &AuditKey::new(&[7; 32])).sync(Sync::Never);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before the event counts as recorded: a power failure loses no event.
    #[default]
    EachEvent,
    /// Left to the operating system. A power failure may lose the last events; to a [`HeadStore`] that looks
    /// as if the trail's end had been cut off.
    Never,
}

/// An audit trail in a file, for any number of threads and processes at once.
///
/// Each event takes the file's lock, adds one line with one write, and makes it durable. The file is made
/// with the first event, with mode 0600; its directory must be there. A clone is the same trail. A trail that has
/// [recalled](AuditSink::recall) what does not hold takes no event before that is [repaired](Self::repair): a line
/// behind it would be worth nothing, and what the trail knows of states is not all that there was.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditEvent, AuditKey, AuditResult, AuditSink, JsonLines, verify};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.jsonl");
/// let key = AuditKey::new(&[7; 32]); // derived from the service key
/// let trail = JsonLines::new(&path, &key).rotate_at(64 << 20);
/// let event = AuditEvent {
///     time: 1_790_000_000,
///     resource: Some("invoices".to_owned()),
///     duration_us: 812,
///     ..AuditEvent::new("unwrap", AuditResult::Done)
/// };
/// # futures_lite::future::block_on(async {
/// trail.record(&event).await?;
/// trail.record(&event).await?;
/// // Kept elsewhere, it shows later that nothing was cut off.
/// let head = trail.head().await?;
/// assert_eq!(verify(&path, &key, head)?.lines, 2);
/// # Ok::<(), strongroom_vault::audit::AuditError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct JsonLines(Arc<Trail>);

#[derive(Clone, Debug)]
pub(super) struct Trail {
    pub(super) path: PathBuf,
    pub(super) key: AuditKey,
    sync: Sync,
    rotate_at: Option<u64>,
    pub(super) head_store: Option<Arc<dyn HeadStore>>,
    /// The trail's id, where it is known that there is one.
    id: Option<String>,
    disk: Arc<dyn Disk>,
    /// The damage that was found when the trail was recalled.
    damage: Arc<Mutex<Option<FoundDamage>>>,
}

impl JsonLines {
    /// The trail in the file `path`, chained under `key`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, key: &AuditKey) -> Self {
        Self::on(Arc::new(RealDisk), path.into(), key)
    }

    /// The trail on a disk that a test may watch.
    pub(super) fn on(disk: Arc<dyn Disk>, path: PathBuf, key: &AuditKey) -> Self {
        let key = key.clone();
        let sync = Sync::default();
        let (rotate_at, head_store, id) = (None, None, None);
        let damage = Arc::default();
        Self(Arc::new(Trail { path, key, sync, rotate_at, head_store, id, disk, damage }))
    }

    /// Sets the durability of lines; [`Sync::EachEvent`] by default.
    #[must_use]
    pub fn sync(mut self, sync: Sync) -> Self {
        Arc::make_mut(&mut self.0).sync = sync;
        self
    }

    /// Begins a new file where a line would make the current one longer than `bytes`; the full one gets
    /// a number after its name. Without this the file grows for ever.
    #[must_use]
    pub fn rotate_at(mut self, bytes: u64) -> Self {
        Arc::make_mut(&mut self.0).rotate_at = Some(bytes);
        self
    }

    /// Keeps the head in `store` after each event, and writes on only where the trail still has the line
    /// that was kept.
    #[must_use]
    pub fn head_store(mut self, store: Arc<dyn HeadStore>) -> Self {
        Arc::make_mut(&mut self.0).head_store = Some(store);
        self
    }

    /// The trail that has the id `id`, in hexadecimal, and so at least one line: where it has none any more,
    /// nothing is written on.
    #[must_use]
    pub fn of(mut self, id: &str) -> Self {
        Arc::make_mut(&mut self.0).id = Some(id.to_owned());
        self
    }

    pub(super) fn trail(&self) -> &Trail {
        &self.0
    }

    /// The trail's current file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The last line, to be kept where who writes to the trail cannot change it; `None` before
    /// the first event. It is checked against the line before it and no further.
    ///
    /// # Errors
    ///
    /// [`AuditError`] where the file cannot be read, or its last line does not hold.
    pub async fn head(&self) -> Result<Option<Head>, AuditError> {
        let trail = Arc::clone(&self.0);
        unblock(move || trail.head()).await
    }

    /// Checks all of the trail, as [`verify`](super::verify) does, and that it is the one with the id that it must
    /// [have](Self::of). It blocks this thread.
    ///
    /// # Errors
    ///
    /// Those of [`verify`](super::verify).
    pub fn verify(&self, anchor: Option<Head>) -> Result<Verified, AuditError> {
        let (path, mut found) = (&self.0.path, None);
        let mut note = |line: &AuditLine| found = line.trail.clone().or(found.take());
        let verified = verify_each(path, &self.0.key, anchor, &mut note)?;
        if self.0.id.is_some() && found != self.0.id {
            return Err(AuditError::Missing { path: path.clone() });
        }
        Ok(verified)
    }

    /// Shows to `visit` each line of the trail, which must hold, and where parts of it were closed as damaged, then each
    /// line that is its writers' all the same, in no order and some again. It blocks this thread.
    ///
    /// # Errors
    ///
    /// Those of [`verify`](super::verify).
    pub fn read_all(&self, visit: &mut dyn FnMut(&AuditLine)) -> Result<Verified, AuditError> {
        let Trail { path, key, .. } = &*self.0;
        let verified = verify_each(path, key, None, visit)?;
        if !verified.repaired.is_empty() {
            salvage(path, key, visit);
        }
        Ok(verified)
    }

    /// [`AuditSink::record`] on this thread, which it blocks.
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    pub fn record_blocking(&self, event: &AuditEvent) -> Result<(), AuditError> {
        self.0.append(&bounded(event))
    }
}

#[async_trait]
impl AuditSink for JsonLines {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        let (trail, event) = (Arc::clone(&self.0), bounded(event));
        unblock(move || trail.append(&event)).await
    }

    async fn recall(&self) -> Known {
        let trail = Arc::clone(&self.0);
        unblock(move || trail.recall()).await
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        let trail = self.clone();
        unblock(move || {
            let mut outlines = Outlines::new();
            trail.read_all(&mut |line| note_outline(&mut outlines, &line.event))?;
            Ok(outlines)
        })
        .await
    }
}

impl Trail {
    fn recall(&self) -> Known {
        let mut known = recall(&self.path, &self.key);
        let is_other = |id: &String| known.trail.as_ref() != Some(id);
        if known.damage.is_none() && self.id.as_ref().is_some_and(is_other) {
            known.damage = Some(AuditError::Missing { path: self.path.clone() });
        }
        let found = known.damage.as_ref().map(|error| FoundDamage::of(error, &self.path));
        *lock(&self.damage) = found;
        known
    }

    /// Refuses to write behind damage that was found and not repaired since.
    fn check_found(&self) -> Result<(), AuditError> {
        let mut damage = lock(&self.damage);
        if damage.as_ref().is_some_and(|found| found.is_repaired(&self.path)) {
            *damage = None;
        }
        damage.as_ref().map_or(Ok(()), |found| Err(found.error.clone()))
    }

    /// True where a line must be there and none is: `last` is the last that was found.
    pub(super) fn is_gone(&self, last: Option<Head>) -> bool {
        self.id.is_some() && last.is_none()
    }

    fn head(&self) -> Result<Option<Head>, AuditError> {
        // The lock is held until the end: the file must not be renamed in between.
        let file = tail::open_locked(&self.path, Access::Read)?;
        if let Some(file) = &file
            && let Some(head) = Tail::read(file, &self.path, &self.key)?.head
        {
            return Ok(Some(head));
        }
        tail::head_of_full_files(&self.path, &self.key)
    }

    fn append(&self, event: &AuditEvent) -> Result<(), AuditError> {
        while self.append_or_rotate(event)?.is_none() {}
        Ok(())
    }

    /// Appends a line for `event`; `None` where the file was full and another must be opened.
    fn append_or_rotate(&self, event: &AuditEvent) -> Result<Option<()>, AuditError> {
        let Some(file) = tail::open_locked(&self.path, Access::Append)? else { return Ok(None) };
        let tail = Tail::read(&file, &self.path, &self.key)?;
        let mut begins = tail.head.is_none();
        let mut head = match tail.head {
            None => tail::head_of_full_files(&self.path, &self.key)?,
            found => found,
        };
        self.compare_with_kept(head, tail.before)?;
        if self.is_gone(head) && tail.torn.is_empty() {
            return Err(AuditError::Missing { path: self.path.clone() });
        }
        self.check_found()?;
        let mut length = tail.length;
        if !tail.torn.is_empty() {
            (head, length) = self.mend(&file, &tail, head, event.time)?;
            begins = false;
        }

        let line = AuditLine::following(head, begins, None, event.clone())?;
        let (line, new_head) = line.seal(&self.key, head)?;
        let with_line = length.saturating_add(line.len() as u64);
        if length > 0 && self.rotate_at.is_some_and(|limit| with_line > limit) {
            self.rotate()?;
            return Ok(None);
        }
        if let Err(error) = self.disk.append(&file, &line) {
            // A disk that is full may have taken half of it. Where this fails, too, the next writer mends.
            let _ = self.disk.cut(&file, length);
            return Err(AuditError::io("write to", &self.path)(error));
        }
        self.make_durable(&file, begins)?;
        if let Some(store) = &self.head_store {
            store.store(&new_head)?;
        }
        Ok(Some(()))
    }

    /// Refuses to write on where lines are gone that were there once.
    fn compare_with_kept(
        &self,
        head: Option<Head>,
        before: Option<Head>,
    ) -> Result<(), AuditError> {
        let Some(store) = &self.head_store else { return Ok(()) };
        let Some(kept) = store.load()? else { return Ok(()) };
        let found = head.map_or(0, |head| head.number);
        if found < kept.number {
            return Err(AuditError::Truncated { path: self.path.clone(), kept, found });
        }
        let same = [head, before].into_iter().flatten().find(|at| at.number == kept.number);
        if same.is_some_and(|same| same != kept) {
            return Err(AuditError::Replaced { path: self.path.clone(), kept });
        }
        Ok(())
    }

    /// Writes a line about the torn one over it, then cuts off what is left of it. A crash in between leaves
    /// a torn line again: there is no moment in which it is gone without a trace.
    fn mend(
        &self,
        file: &File,
        tail: &Tail,
        head: Option<Head>,
        time: u64,
    ) -> Result<(Option<Head>, u64), AuditError> {
        let event = AuditEvent { time, ..AuditEvent::new("mend-audit-trail", AuditResult::Done) };
        let begins = tail.head.is_none();
        let line = AuditLine::following(head, begins, Some(Torn::of(&tail.torn)), event)?;
        let (line, new_head) = line.seal(&self.key, head)?;
        let offset = tail.length.saturating_sub(tail.torn.len() as u64);
        let length = offset.saturating_add(line.len() as u64);
        self.disk
            .overwrite(file, &self.path, offset, &line)
            .and_then(|()| self.disk.cut(file, length))
            .map_err(AuditError::io("mend", &self.path))?;
        self.make_durable(file, begins)?;
        Ok((Some(new_head), length))
    }

    /// Gives the full file its number. The next writer, this one or another, makes a new one.
    pub(super) fn rotate(&self) -> Result<(), AuditError> {
        let newest = tail::full_files(&self.path)?.pop().unwrap_or(0);
        let full = tail::full_file(&self.path, newest.saturating_add(1));
        self.disk.rename(&self.path, &full).map_err(AuditError::io("rename", &self.path))?;
        self.sync_directory()
    }

    /// Begins the current file with `line`, which follows the line `after` of another.
    pub(super) fn begin_file(
        &self,
        line: &AuditLine,
        after: Option<Head>,
    ) -> Result<(), AuditError> {
        let Some(file) = tail::open_locked(&self.path, Access::Append)? else { return Ok(()) };
        let line = match (&self.id, after) {
            (Some(id), None) => AuditLine { trail: Some(id.clone()), ..line.clone() },
            _ => line.clone(),
        };
        let (line, head) = line.seal(&self.key, after)?;
        self.disk.append(&file, &line).map_err(AuditError::io("write to", &self.path))?;
        self.make_durable(&file, true)?;
        self.head_store.as_ref().map_or(Ok(()), |store| store.store(&head))
    }

    fn make_durable(&self, file: &File, is_new: bool) -> Result<(), AuditError> {
        if self.sync == Sync::EachEvent {
            self.disk.sync(file).map_err(AuditError::io("sync", &self.path))?;
        }
        if is_new { self.sync_directory() } else { Ok(()) }
    }

    fn sync_directory(&self) -> Result<(), AuditError> {
        if self.sync == Sync::Never {
            return Ok(());
        }
        let directory = tail::directory(&self.path);
        self.disk.sync_directory(directory).map_err(AuditError::io("sync", directory))
    }
}
