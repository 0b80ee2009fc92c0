//! Errors of a local vault.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::id::VersionId;
use strongroom::time::Rfc3339;
use strongroom_files::Lacking;
use strongroom_vault::audit::AuditError;

/// Error of a local vault, with the next step.
///
/// A message names files, keys and ids, and never key material.
///
/// # Example
///
/// ```
/// use std::path::Path;
///
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::LocalVaultError;
///
/// let error = LocalVault::open(Path::new("/no/such/vault")).unwrap_err();
/// assert!(matches!(error, LocalVaultError::Missing { .. }));
/// ```
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum LocalVaultError {
    /// The directory is not a vault, or does not exist.
    #[error("there is no vault at {}; initialise one there or name another directory", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is a vault already.
    #[error("{} is a vault already; use it as it is or name another directory", path.display())]
    AlreadyInitialised {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds other files, so it is not made a vault.
    #[error("{} is not empty; name a new or an empty directory for the vault", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Others can reach a directory or a key file that must be private.
    #[error(
        "{} is open to other users (mode {mode:03o}), so its keys may be known to them; make it private to its owner \
         (mode {wanted:03o})",
        path.display()
    )]
    Exposed {
        /// The directory or the file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have.
        wanted: u32,
    },
    /// A file of the vault does not hold what it should.
    #[error("{} is damaged: {reason}; restore it from a copy of the vault", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The kind of damage.
        reason: &'static str,
    },
    /// The vault was made by an earlier or a newer version of this crate, and is not read by this one.
    #[error("the vault {} has format {found}, and this version knows format {read} alone; {}", path.display(), other_format(*found, *read))]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format version that the vault names.
        found: u32,
        /// The format version that is read.
        read: u32,
    },
    /// A name that no key can have.
    #[error("{name:?} cannot name a key; use 1 to 127 letters, digits and hyphens")]
    Name {
        /// The name as it was given.
        name: String,
    },
    /// A key of this name is there already.
    #[error("the vault {} has a key {name:?} already; choose another name, or rotate it for a new version", vault.display())]
    KeyExists {
        /// The vault's directory.
        vault: PathBuf,
        /// The key's name.
        name: String,
    },
    /// No key has this name.
    #[error("the vault {} has no key {name:?}; {}", vault.display(), existing_names(existing))]
    KeyMissing {
        /// The vault's directory.
        vault: PathBuf,
        /// The name that was asked for.
        name: String,
        /// The names that are there, sorted.
        existing: Vec<String>,
    },
    /// The key is there, this version of it is not.
    #[error(
        "the vault {} has no key {id} (any more); open a copy of the vault that has it",
        vault.display()
    )]
    VersionMissing {
        /// The vault's directory.
        vault: PathBuf,
        /// The versioned id.
        id: String,
    },
    /// No version of the key has an id that begins so.
    #[error(
        "the key {name:?} has no version whose id begins with {prefix:?}; it has, newest last: {}",
        some_of(existing)
    )]
    VersionUnknown {
        /// The key's name.
        name: String,
        /// The beginning that was given.
        prefix: String,
        /// The ids of the key's versions, oldest first.
        existing: Vec<VersionId>,
    },
    /// Several versions of the key have ids that begin so.
    #[error(
        "several versions of the key {name:?} have ids that begin with {prefix:?}; give more of it: {}",
        some_of(candidates)
    )]
    VersionAmbiguous {
        /// The key's name.
        name: String,
        /// The beginning that was given.
        prefix: String,
        /// The ids that begin so, oldest first.
        candidates: Vec<VersionId>,
    },
    /// The id is not one that a local vault gives out.
    #[error("{id} is not the id of a key in a local vault (local/VAULT/NAME/VERSION)")]
    ForeignId {
        /// The id.
        id: String,
    },
    /// The id belongs to another local vault.
    #[error("{id} is a key of the vault {wanted}, and {} is the vault {found}; open the document with the vault that has the key", vault.display())]
    OtherVault {
        /// The vault's directory.
        vault: PathBuf,
        /// The id that was asked for.
        id: String,
        /// The id of the vault that the key belongs to.
        wanted: String,
        /// The id of the vault that was asked.
        found: String,
    },
    /// The key does not do this algorithm.
    #[error("the key {id} does not do {algorithm}; use the algorithm of its kind")]
    Algorithm {
        /// The versioned id.
        id: String,
        /// The JOSE name of the algorithm that was asked for.
        algorithm: &'static str,
    },
    /// The key of this name is deleted and not purged.
    #[error(
        "the key {name:?} of the vault {} is deleted, and its name stays its own (to purge it destroys all its versions, \
         and with them every document under it); choose another name for another key, or recover it",
        vault.display()
    )]
    KeyDeleted {
        /// The vault's directory.
        vault: PathBuf,
        /// The key's name.
        name: String,
        /// Seconds since 1970.
        purge_from: u64,
    },
    /// The key is not deleted, so it can be neither recovered nor purged.
    #[error(
        "the key {name:?} is not deleted: it is in use as it is; only a deleted key is recovered or purged"
    )]
    NotDeleted {
        /// The key's name.
        name: String,
    },
    /// Purge protection keeps the deleted key.
    #[error(
        "purge protection keeps the deleted key {name:?} until {}; wait if it is to be destroyed with every document under it, or recover it",
        Rfc3339(*purge_from)
    )]
    PurgeProtected {
        /// The key's name.
        name: String,
        /// Seconds since 1970.
        purge_from: u64,
    },
    /// The version is disabled.
    #[error("the key {id} is disabled; enable it")]
    KeyDisabled {
        /// The versioned id.
        id: String,
    },
    /// The version does not wrap yet. It unwraps.
    #[error(
        "the key {id} wraps from {} on; wait, or change its not-before date", Rfc3339(*not_before)
    )]
    NotYetValid {
        /// The versioned id.
        id: String,
        /// Seconds since 1970.
        not_before: u64,
    },
    /// The version wraps no more. It unwraps.
    #[error("the key {id} expired at {}; rotate it", Rfc3339(*expires))]
    Expired {
        /// The versioned id.
        id: String,
        /// Seconds since 1970.
        expires: u64,
    },
    /// The version is not meant for this.
    #[error(
        "the key {id} must not be used for {operation}; use one that has it among its operations"
    )]
    Operation {
        /// The versioned id.
        id: String,
        /// The operation that was asked of it.
        operation: &'static str,
    },
    /// The key has no public half.
    #[error("the key {id} is an AES key, which wraps inside its vault only; use an RSA key")]
    NoPublicKey {
        /// The versioned id.
        id: String,
    },
    /// The identity is disabled or not known.
    #[error("the vault {} does not know the identity {identity:?}, or it is disabled there; enable it, or grant it something", vault.display())]
    Identity {
        /// The vault's directory.
        vault: PathBuf,
        /// The identity.
        identity: String,
    },
    /// The identity is known and may not do this.
    #[error(
        "the identity {identity:?} lacks the permission {operation} on the key {key}; grant it"
    )]
    Permission {
        /// The identity.
        identity: String,
        /// The versioned id, or the name where a version was not named.
        key: String,
        /// The permission that it lacks.
        operation: &'static str,
    },
    /// The vault has a passphrase, and none was given.
    #[error("the vault {} has a passphrase; give it", path.display())]
    PassphraseNeeded {
        /// The directory.
        path: PathBuf,
    },
    /// Another passphrase is the vault's, or its parameters were changed.
    #[error("the passphrase does not open {}: it is another one, or the file was changed; give the vault's passphrase", path.display())]
    PassphraseWrong {
        /// The file.
        path: PathBuf,
    },
    /// A passphrase was given, and the vault has none: it is not the vault that was meant.
    #[error("the vault {} has no passphrase: check that it is the right one, and open it without", path.display())]
    NoPassphrase {
        /// The directory.
        path: PathBuf,
    },
    /// The vault's passphrase was set, changed or removed since this handle was opened.
    #[error("the passphrase of the vault {} was set, changed or removed since the vault was opened: open it again", path.display())]
    PassphraseChanged {
        /// The directory.
        path: PathBuf,
    },
    /// A setting that cannot be.
    #[error("{what}: {reason}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// The values that it can have.
        reason: &'static str,
    },
    /// The key has as many versions as a key can have.
    #[error("the key {name:?} has as many versions as a key can have; create another key")]
    TooManyVersions {
        /// The key's name.
        name: String,
    },
    /// The bytes are not a backup of a key of this vault.
    #[error("this is not a backup that the vault {} can restore: {reason}", vault.display())]
    Backup {
        /// The vault's directory.
        vault: PathBuf,
        /// The reason.
        reason: &'static str,
    },
    /// There is not enough memory for the passphrase's cost.
    #[error("there is not enough memory to try the passphrase; free some and try again")]
    Memory,
    /// A vault cannot be kept on the file system.
    #[error(
        "the file system at {} {lacking}; choose a directory on another one, such as ext4, XFS, Btrfs or NFS",
        path.display()
    )]
    FileSystem {
        /// The directory that was to be the vault.
        path: PathBuf,
        /// The property that the file system lacks.
        lacking: Lacking,
    },
    /// Another process holds the vault's lock for longer than this one may wait.
    #[error(
        "another process has been changing the vault {} for {} s; wait for it, or end it, and run this \
         again",
        path.display(), waited.as_secs()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Time that this process waited.
        waited: Duration,
    },
    /// The vault's audit trail cannot be written, or does not hold.
    #[error("the vault's audit trail: {source}{}", of_trail(source))]
    Trail {
        /// The trail's own error.
        source: AuditError,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The engine refused, or found that a wrapped key does not belong to this key.
    #[error("the key {key}: {source}")]
    Key {
        /// The key's id, or the file it was read from.
        key: String,
        /// The engine's error.
        source: strongroom::Error,
    },
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The operation that failed, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

impl LocalVaultError {
    /// Wraps what the operating system said while `doing` something to `path`.
    pub(crate) fn io(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// The rest of a message of the trail's error.
fn of_trail(source: &AuditError) -> &'static str {
    match source {
        source if source.is_damage() => "; repair it to go on",
        AuditError::File { .. } => {
            ": nothing is done for others with the vault's keys, or to them, that is not recorded there"
        }
        _ => "",
    }
}

impl From<getrandom::Error> for LocalVaultError {
    fn from(_: getrandom::Error) -> Self {
        Self::Random
    }
}

/// Next step for a vault of the format `found`.
fn other_format(found: u32, read: u32) -> &'static str {
    if found > read {
        "use a newer version"
    } else {
        "in that one two keys could have one id, so it is not read: make a new vault in another directory, and \
         seal into it what the version that made this one opens"
    }
}

/// The newest of `ids`.
fn some_of(ids: &[VersionId]) -> String {
    const SHOWN: usize = 8;
    let older = ids.len().saturating_sub(SHOWN);
    let shown: Vec<String> = ids.iter().skip(older).map(VersionId::to_string).collect();
    let before = if older > 0 { format!("{older} older ones, ") } else { String::new() };
    format!("{before}{}", shown.join(", "))
}

/// The existing names, one of which a mistyped name might have meant.
fn existing_names(existing: &[String]) -> String {
    if existing.is_empty() {
        return "it has no keys yet: create one first".to_owned();
    }
    format!("it has: {}", existing.join(", "))
}
