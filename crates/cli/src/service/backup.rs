//! A backup of a home: a copy that is made while other commands write, and proved before it has its name.
//!
//! ```text
//! BACKUP/backup.json   written last: when it was made, of which home, and each file's length and SHA-256
//!        home/         the home
//! ```
//!
//! What refers is copied before what it refers to: the trail names states, a state names a version of the service's
//! key, which the vault has, and a customer's vault, whose place `vaults.json` has. Nothing that is referred to is ever
//! taken away, so nobody needs to be kept from writing. The trail is not longer than its lock is held to look at it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use strongroom_keys::audit::{
    AuditError, AuditEvent, AuditResult, FileHeadStore, Head, HeadStore as _,
};
use strongroom_keys::block_on;
use strongroom_keys::resource::{Checked, ResourceId};
use strongroom_keys::state::{FileStore, StateStore as _};
use strongroom_keys::vault::hex;

use super::{AUDIT_KEY, HOME, HomeLocation, Manifest, STATES, Service, TRAIL, VAULTS, files};
use crate::failure::{BackupFailure, Failure};
use crate::hint;
use crate::output::new_directory::NewDirectory;
use crate::output::room;
use crate::platform::{self, Directory};
use crate::time::since_epoch;

/// The file that makes a directory a backup.
const BACKUP: &str = "backup.json";
/// The directory with the home in it.
const COPY: &str = "home";
const FORMAT: u32 = 1;

/// No `backup.json` is longer, in bytes: a million resources take a quarter of it.
const LONGEST: u64 = 1 << 30;

/// The longest wait for the place of a customer's vault, which a command records just after the state that names it.
const PLACE_WAIT: Duration = Duration::from_secs(2);

/// Content of `backup.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    format: u32,
    /// Time at which it was begun, in seconds since 1970.
    pub(crate) made: u64,
    /// The id of the home's audit trail.
    pub(super) trail: String,
    /// The last line of the trail in it.
    pub(super) head: Head,
    /// The resources in it.
    pub(crate) resources: Vec<BackedUp>,
    /// Resources that the trail knows, and of which the home has no state any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lost: Vec<ResourceId>,
    files: Vec<Entry>,
    /// SHA-256 of the rest of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

/// A backup that was made.
#[derive(Debug)]
pub(crate) struct MadeBackup {
    pub(crate) backup: Backup,
    /// The reason why the home's audit trail does not say so.
    pub(crate) unrecorded: Option<Failure>,
}

/// A resource in a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackedUp {
    pub(crate) resource: ResourceId,
    /// The number of its state.
    pub(crate) number: u64,
}

/// A file of the home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Its path in the home, with `/` between the parts.
    path: String,
    length: u64,
    sha256: String,
}

impl Service {
    /// Makes a backup of the home in the new directory `to`, on behalf of the user who runs this. It only reads the home:
    /// where the disk does not let the audit trail be written, it is made all the same.
    ///
    /// # Errors
    ///
    /// [`Failure::Taken`] and its like where it cannot be made there; those of the home's parts where the home does not
    /// hold: then there is nothing at `to`.
    pub(crate) fn back_up(&self, to: &Path) -> Result<MadeBackup, Failure> {
        if fs::symlink_metadata(to).is_ok() {
            return Err(Failure::Taken { path: to.to_owned(), option: "-o" });
        }
        let new = NewDirectory::create(to, "-o")?;
        let shown = to.display().to_string();
        let event = |result| AuditEvent {
            detail: Some(serde_json::json!({ "to": shown })),
            ..AuditEvent::new("backup", result)
        };
        let unrecorded = match self.record(event(AuditResult::Begun)) {
            Err(failure @ Failure::Audit(AuditError::File { .. })) => Some(failure),
            recorded => recorded.map(|()| None)?,
        };
        let made = self.copy_to(new.path());
        // The copy has the same id.
        hint::note_vault(&self.vault);
        let made = made.map_err(|failure| self.as_of_home(failure, &new.path().join(COPY)));
        let made = made.map_err(|failure| unwritten(failure, &new, to));
        let made = made.and_then(|backup| new.publish().map(|()| backup));
        if unrecorded.is_some() {
            return made.map(|backup| MadeBackup { backup, unrecorded });
        }
        let recorded = self.record(event(AuditResult::of(&made)));
        let backup = made?;
        match recorded {
            Err(Failure::Audit(source)) => {
                let done = format!("the backup {shown} is made and whole");
                Err(strongroom_keys::Error::Unrecorded { done, source }.into())
            }
            recorded => recorded.map(|()| MadeBackup { backup, unrecorded }),
        }
    }

    /// The same `failure`, of the file of this home that a damaged file of `copy` was copied from.
    fn as_of_home(&self, failure: Failure, copy: &Path) -> Failure {
        match failure {
            Failure::HomeDamaged { path, reason } => {
                let path = path
                    .strip_prefix(copy)
                    .map_or_else(|_| path.clone(), |inside| self.home.join(inside));
                Failure::HomeDamaged { path, reason }
            }
            failure => failure,
        }
    }

    fn copy_to(&self, directory: &Path) -> Result<Backup, Failure> {
        let (made, home) = (since_epoch(SystemTime::now()), directory.join(COPY));
        files::make_directory(&home)?;
        let copied = self.trail().copy_to(&home.join(TRAIL))?;
        let missing = || AuditError::Missing { path: self.trail_path() };
        let (trail, head) = self.trail.clone().zip(copied.head).ok_or_else(missing)?;
        self.head_store_in(&home).store(&head)?;
        let states = block_on(FileStore::open(home.join(STATES)));
        let states = states.map_err(strongroom_keys::Error::from)?;
        block_on(self.config(self.customers())?.copy_states(&states))?;
        self.vault.copy_to(&home.join("vault"))?;
        files::copy(&self.home.join(AUDIT_KEY), &home.join(AUDIT_KEY))?;
        files::copy(&self.home.join(VAULTS), &home.join(VAULTS))?;
        files::copy(&self.home.join(HOME), &home.join(HOME))?;

        let copy = HomeLocation::at(&home).open_unheld()?;
        let checked = copy.prove()?;
        self.add_places(&copy, &checked)?;
        // Room that a home keeps, and a copy does not need.
        block_on(states.make_room()).map_err(strongroom_keys::Error::from)?;
        let backup = Backup {
            format: FORMAT,
            made,
            trail,
            head,
            lost: checked.lost,
            resources: checked
                .states
                .into_iter()
                .map(|one| BackedUp { resource: one.resource, number: one.number })
                .collect(),
            files: entries(&home)?,
            check: None,
        };
        let backup = Backup { check: Some(backup.sum()?), ..backup };
        files::write_json(&directory.join(BACKUP), &backup)?;
        Backup::read(directory)
    }

    /// Copies the places of customers' vaults again, until those of all states are there. A home may lack one.
    fn add_places(&self, copy: &Self, checked: &Checked) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            let places = copy.customers().places()?;
            let mut under = checked.states.iter().filter_map(|one| one.protection.cmk());
            if under.all(|cmk| places.find(cmk.key.vault(), None).is_some())
                || started.elapsed() >= PLACE_WAIT
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
            files::copy(&self.home.join(VAULTS), &copy.home.join(VAULTS))?;
        }
    }

    /// Reads the whole home as a service that starts would, and changes nothing: every state with all its keys of the
    /// service's layer, and the audit trail from its first line to the one that is kept.
    ///
    /// # Errors
    ///
    /// Those of its parts.
    pub(super) fn prove(&self) -> Result<Checked, Failure> {
        let checked = block_on(self.config(self.customers())?.check())?;
        self.customers().places()?;
        self.trail().verify(self.head_store().load()?)?;
        Ok(checked)
    }

    pub(super) fn head_store_in(&self, home: &Path) -> FileHeadStore {
        FileHeadStore::new(home.join("audit.head"), &self.audit_key)
    }
}

impl Backup {
    /// The content of `backup.json` in `directory`.
    ///
    /// # Errors
    ///
    /// [`BackupFailure::Missing`], [`BackupFailure::Format`], [`BackupFailure::Damaged`].
    pub(super) fn read(directory: &Path) -> Result<Self, Failure> {
        /// The member that every format has.
        #[derive(Deserialize)]
        struct AnyFormat {
            format: u32,
        }
        let path = directory.join(BACKUP);
        let damaged = || {
            let reason = "it is not what was written there";
            Failure::from(BackupFailure::Damaged { path: path.clone(), reason })
        };
        let unreadable = |failure| match failure {
            Failure::HomeDamaged { .. } => damaged(),
            failure => of_backup(failure),
        };
        let missing = || Failure::from(BackupFailure::Missing { path: directory.to_owned() });
        if !directory.is_dir() {
            return Err(missing());
        }
        let any: Option<serde_json::Value> =
            files::read_json_within(&path, LONGEST).map_err(unreadable)?;
        let any = any.ok_or_else(missing)?;
        let format = AnyFormat::deserialize(&any).map_err(|_| damaged())?.format;
        if format != FORMAT {
            let path = directory.to_owned();
            return Err(BackupFailure::Format { path, found: format }.into());
        }
        let backup = Self::deserialize(any).map_err(|_| damaged())?;
        // Over the bytes as this version writes them.
        if backup.check.as_ref() != Some(&backup.sum()?) || backup.files.iter().any(Entry::is_stray)
        {
            return Err(damaged());
        }
        Ok(backup)
    }

    /// Refuses a backup whose home is not the one that it says: `copy` is that home.
    ///
    /// # Errors
    ///
    /// [`BackupFailure::Damaged`].
    pub(super) fn check_home(&self, directory: &Path, copy: &Path) -> Result<(), Failure> {
        let manifest: Option<Manifest> = files::read_json(&copy.join(HOME))?;
        if manifest.is_some_and(|manifest| manifest.trail.as_ref() == Some(&self.trail)) {
            return Ok(());
        }
        let (path, reason) = (directory.join(BACKUP), "the home in it is another service's");
        Err(BackupFailure::Damaged { path, reason }.into())
    }

    /// The number of the state of `resource` in it.
    pub(super) fn number_of(&self, resource: &ResourceId) -> Option<u64> {
        let mut found = self.resources.iter().filter(|one| one.resource == *resource);
        found.next().map(|one| one.number)
    }

    /// SHA-256 of all but the check.
    fn sum(&self) -> Result<String, Failure> {
        let text = serde_json::to_vec(&Self { check: None, ..self.clone() });
        let text = text.map_err(|error| Failure::write(BACKUP, error.into()))?;
        Ok(hex::encode(&Sha256::digest(text)))
    }

    /// Refuses a backup that cannot be copied to `place`, before anything of it is: a file is not as long as it was, or
    /// there is not room for all of them.
    ///
    /// # Errors
    ///
    /// [`BackupFailure::Damaged`], [`BackupFailure::NoRoom`], [`Failure::HomeFile`].
    pub(super) fn check_lengths(&self, directory: &Path, place: &Path) -> Result<(), Failure> {
        let mut needed: u64 = 0;
        for entry in &self.files {
            let path = entry.at(&directory.join(COPY));
            let found = match fs::metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err("it is missing"),
                found => {
                    let found = found.map_err(|source| {
                        let path = path.clone();
                        BackupFailure::Unreadable { path, source }
                    })?;
                    match found.len() {
                        _ if !found.is_file() => Err("it is not a file"),
                        length if length == entry.length => Ok(()),
                        _ => Err("it is not as long as it was"),
                    }
                }
            };
            found.map_err(|reason| BackupFailure::Damaged { path, reason })?;
            needed = needed.saturating_add(entry.length);
        }
        match room::free(place) {
            Some(free) if free < needed => {
                Err(BackupFailure::NoRoom { place: place.to_owned(), needed, free }.into())
            }
            _ => Ok(()),
        }
    }

    /// Copies the home in the backup `directory` to the empty directory `home`, each file compared with what was
    /// written into the backup.
    ///
    /// # Errors
    ///
    /// [`BackupFailure::Damaged`], [`Failure::HomeFile`].
    pub(super) fn copy_home(&self, directory: &Path, home: &Path) -> Result<(), Failure> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| Failure::HomeFile { doing, path, source }
        };
        let mut directories = BTreeSet::new();
        for entry in &self.files {
            let (from, to) = (entry.at(&directory.join(COPY)), entry.at(home));
            let within = to.parent().unwrap_or(home);
            let made = platform::create_private_directory(within);
            made.map_err(failed("create", within))?;
            for directory in within.ancestors().take_while(|one| *one != home) {
                directories.insert(directory.to_owned());
            }
            let damaged =
                |reason| Failure::from(BackupFailure::Damaged { path: from.clone(), reason });
            let copied = files::copy_within(&from, &to, entry.length);
            if !copied.map_err(|failure| match failure {
                Failure::HomeDamaged { .. } => damaged("it is not a file"),
                failure => of_backup(failure),
            })? {
                return Err(damaged("it is missing"));
            }
            // What is read back: it is both what the backup has and what is there now.
            if Entry::of(&to, entry.path.clone())? != *entry {
                return Err(damaged("it is not what was written there"));
            }
        }
        for directory in directories {
            let synced = Directory::open(&directory).and_then(|open| open.sync());
            synced.map_err(failed("sync", &directory))?;
        }
        Ok(())
    }
}

impl Entry {
    fn of(file: &Path, path: String) -> Result<Self, Failure> {
        let failed = |source| Failure::HomeFile { doing: "read", path: file.to_owned(), source };
        let mut open = File::open(file).map_err(failed)?;
        let (mut hash, mut length, mut piece) = (Sha256::new(), 0, vec![0; 64 << 10]);
        loop {
            let count = open.read(&mut piece).map_err(failed)?;
            if count == 0 {
                return Ok(Self { path, length, sha256: hex::encode(&hash.finalize()) });
            }
            hash.update(&piece[..count]);
            length += count as u64;
        }
    }

    fn at(&self, home: &Path) -> PathBuf {
        self.path.split('/').fold(home.to_owned(), |at, part| at.join(part))
    }

    /// True where it would be outside of the home.
    fn is_stray(&self) -> bool {
        let is_plain = |part| {
            let mut components = Path::new(part).components();
            matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        };
        !self.path.split('/').all(is_plain)
    }
}

/// A `failure` to read a file as one of a backup's.
fn of_backup(failure: Failure) -> Failure {
    match failure {
        Failure::HomeFile { doing: "read", path, source } => {
            BackupFailure::Unreadable { path, source }.into()
        }
        failure => failure,
    }
}

/// The files in `home`, sorted: hidden ones are temporary, or made anew, as the trail's summary is.
fn entries(home: &Path) -> Result<Vec<Entry>, Failure> {
    let mut found = Vec::new();
    let mut directories = vec![(home.to_owned(), String::new())];
    while let Some((directory, prefix)) = directories.pop() {
        let failed = |source: io::Error| Failure::HomeFile {
            doing: "list",
            path: directory.clone(),
            source,
        };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || Path::new(&name).extension() == Some("known".as_ref()) {
                continue;
            }
            let path = format!("{prefix}{name}");
            if entry.file_type().map_err(failed)?.is_dir() {
                directories.push((entry.path(), format!("{path}/")));
            } else {
                found.push(Entry::of(&entry.path(), path)?);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A `failure` with a file of `new`, which is to be `to`, as one to make the backup.
fn unwritten(failure: Failure, new: &NewDirectory, to: &Path) -> Failure {
    let within = new.path().display().to_string();
    let reason = match &failure {
        Failure::VaultFile { source, .. }
        | Failure::HomeFile { source, .. }
        | Failure::Directory { source, .. }
        | Failure::Write { source, .. } => Failure::system(source),
        Failure::HomeFileSystem { lacking, .. } => format!("its file system {lacking}"),
        other => other.to_string(),
    };
    if failure.to_string().contains(&within) {
        let reason = reason.replace(&within, &to.display().to_string());
        return BackupFailure::NotMade { path: to.to_owned(), reason }.into();
    }
    failure
}
