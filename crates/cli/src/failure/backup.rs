//! The reasons why a backup of a home, or a home from one, is not made.

use std::io;
use std::path::PathBuf;

use strongroom_keys::resource::ResourceId;

use super::Failure;
use super::words;
use crate::hint;

/// The reason why a backup, or a home from one, is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupFailure {
    /// A file of a backup cannot be written.
    #[error(
        "the backup {} was not made: {reason}; free some space, or choose another place with -o",
        path.display()
    )]
    NotMade { path: PathBuf, reason: String },
    /// A backup of a home that lacks states itself.
    #[error(
        "the backup {} is made, and the home has lost all states of {}: bring them back from an earlier backup, or, where \
         there is none, give the resource up, with: {}",
        path.display(), words::named(lost), hint::give_up(lost)
    )]
    Lacks { path: PathBuf, lost: Vec<ResourceId> },
    /// A resource that the audit trail knows and that has no state any more.
    #[error(
        "all states of the resource {resource} are lost; bring them back from a backup of the home, with: {}",
        hint::from_backup()
    )]
    StatesLost { resource: ResourceId },
    /// No backup where one was named.
    #[error(
        "there is no backup at {}; give the directory that a backup was made in", path.display()
    )]
    Missing { path: PathBuf },
    /// A backup of another format.
    #[error(
        "the backup {} has the format {found}, and this version reads the format 1 only; use the version that made it",
        path.display()
    )]
    Format { path: PathBuf, found: u32 },
    /// A file of a backup is not what it was.
    #[error("{} is damaged: {reason}; nothing was restored: use another backup", path.display())]
    Damaged { path: PathBuf, reason: &'static str },
    /// More in a backup than there is room for.
    #[error(
        "the home in the backup takes {needed} bytes, and {free} are free at {}; nothing was restored: free some space, \
         or name another home with --home",
        place.display()
    )]
    NoRoom { place: PathBuf, needed: u64, free: u64 },
    /// A file of a backup that the system does not let be read.
    #[error(
        "cannot read {}: {}; nothing was restored: check what is there and whose it is with ls -l, or use another backup",
        path.display(), words::Said(source)
    )]
    Unreadable { path: PathBuf, source: io::Error },
    /// A backup in the directory that would be moved aside.
    #[error(
        "the backup {} is in the service's home {}, which would be moved aside; move the backup to another place first",
        backup.display(), home.display()
    )]
    InHome { backup: PathBuf, home: PathBuf },
    /// A home that needs no backup.
    #[error(
        "the service's home {} is whole, and newer than the backup; nothing was restored: to look into the backup, \
         restore it into another directory with --home",
        path.display()
    )]
    HomeWhole { path: PathBuf },
    /// A home of which the audit trail alone is damaged.
    #[error(
        "the audit trail of the service's home {} is damaged, and the rest of the home may be newer than the backup; \
         nothing was restored: {source}",
        path.display()
    )]
    TrailDamaged { path: PathBuf, source: Box<Failure> },
    /// Something else where a home is to be restored.
    #[error(
        "{} is not the home that the backup was made of, or too damaged to show it; nothing was restored: move it away, or \
         name another home with --home",
        path.display()
    )]
    OtherHome { path: PathBuf },
    /// No home, and one beside it that gave way.
    #[error(
        "there is no home at {}, and {} is one that a restore moved aside: move it elsewhere where nothing in it is needed, \
         or put it back and run this again, with: {}",
        home.display(), aside.display(), hint::naming(aside, home)
    )]
    HomeAside { home: PathBuf, aside: PathBuf },
}

impl BackupFailure {
    /// The name of the kind of failure, for programs.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::NotMade { .. } | Self::NoRoom { .. } => "write",
            Self::HomeWhole { .. }
            | Self::TrailDamaged { .. }
            | Self::OtherHome { .. }
            | Self::HomeAside { .. } => "home",
            _ => "backup",
        }
    }
}
