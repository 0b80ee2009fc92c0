//! What a vault answers when it cannot do what it was asked.

use std::io;
use std::path::PathBuf;

/// Why a vault did not do what it was asked, and the next step.
///
/// A message names files, keys and ids, and never key material.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum LocalVaultError {
    /// The directory is no vault, or is not there.
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
        "{} is open to other users (mode {mode:03o}), so its keys may be known to them; make it private with: chmod {wanted:o} {}",
        path.display(), path.display()
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
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The vault was made by a version of this crate that is not known here.
    #[error("the vault {} has format {found}, this version knows format 1; use a newer version", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format version that the vault names.
        found: u32,
    },
    /// A name that no key can have.
    #[error("{name:?} cannot name a key; use 1 to 127 letters, digits and hyphens")]
    Name {
        /// The name as it was given.
        name: String,
    },
    /// A key of this name is there already.
    #[error("the vault {} has a key {name:?} already; rotate it for a new version, or choose another name", vault.display())]
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
        "the vault {} has no key {id} (any more); restore it from a copy of the vault",
        vault.display()
    )]
    VersionMissing {
        /// The vault's directory.
        vault: PathBuf,
        /// The versioned id.
        id: String,
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
    #[error("the key {id} unwraps RSA-OAEP-256, and {algorithm} was asked of it")]
    Algorithm {
        /// The versioned id.
        id: String,
        /// The JOSE name of the algorithm that was asked for.
        algorithm: &'static str,
    },
    /// Other processes published every version that this one tried to publish.
    #[error("other processes keep adding versions to the key {name:?}; try again")]
    Contended {
        /// The key's name.
        name: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The engine refused, or found that a wrapped key does not belong to this key.
    #[error("the key {key}: {source}")]
    Key {
        /// The key's id, or the file it was read from.
        key: String,
        /// What the engine said.
        source: strongroom::Error,
    },
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the operating system said.
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

/// What a mistyped name might have meant.
fn existing_names(existing: &[String]) -> String {
    if existing.is_empty() {
        return "it has no keys yet: create one first".to_owned();
    }
    format!("it has: {}", existing.join(", "))
}
