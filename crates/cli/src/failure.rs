//! Every sentence that the command says when it fails.
//!
//! One failure is one sentence: what, where, and what to do next.

mod backup;
mod kind;
mod next_step;
mod words;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use strongroom::Error;
use strongroom_files::Lacking;
use strongroom_keys::audit::AuditError;
use strongroom_keys::resource::ResourceId;
use strongroom_keys::vault::VersionedKeyId;
use strongroom_local_vault::LocalVaultError;

pub(crate) use self::backup::BackupFailure;
use self::next_step::{audit_sentence, damage_sentence, resource_sentence, vault_sentence};
use self::words::{
    Said, document_sentence, home_advice, read_advice, rewrap_advice, vault_advice, write_advice,
};
use crate::hint;
use crate::place::Place;

/// The reason why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line cannot be meant so.
    #[error("{0}")]
    Usage(String),
    /// A directory was given to read.
    #[error(
        "{} is a directory, and strongroom works on single files; pack it into one first, for \
         instance with tar", path.display()
    )]
    InputIsDirectory { path: PathBuf },
    /// A directory was given to write.
    #[error("{} is a directory; give the name of a file with {option}", path.display())]
    OutputIsDirectory { path: PathBuf, option: &'static str },
    /// The command of `--exec` was not started.
    #[error("cannot start the command {command:?}: {}; check the shell", Said(source))]
    CommandNotStarted { command: String, source: io::Error },
    /// The command of `--exec` failed.
    #[error(
        "the command {command:?} failed: {outcome}; what it wrote is not sealed: mend what it said, and \
         run it again"
    )]
    Command { command: String, outcome: String },
    /// Something has the output's name.
    #[error(
        "{} exists and is kept; replace it with --force, or choose another name with \
         {option}", path.display()
    )]
    Exists { path: PathBuf, option: &'static str },
    /// The output would replace what is read, or is read again as it is written.
    #[error("{name} is {role} and the output at once; choose another name with {option}")]
    SameFile { name: String, role: &'static str, option: &'static str },
    /// Header and document are new and whole, and the header has not got its name.
    #[error(
        "cannot name the header {}: {}; {document} is complete and its header is {}: give that a name of its own with: \
         {}",
        header.display(),
        Said(source),
        next.display(),
        hint::naming(next, own)
    )]
    HeaderName { document: String, header: PathBuf, next: PathBuf, own: PathBuf, source: io::Error },
    /// It is not known whether a document has its name.
    #[error(
        "cannot write {document}: {}, and it cannot be seen if it has its name all the same: where it does, its header \
         is {}, which stays; look at both with: {}",
        Said(source),
        header.display(),
        hint::inspect_pair(document, header)
    )]
    HeaderKept { document: String, header: PathBuf, source: io::Error },
    /// The output has its name, and a power cut may undo that.
    #[error(
        "{name} is the new file, whole, and not known to be durable: {}; {}, and run sync, or the same command again",
        Said(source),
        rewrap_advice(source)
    )]
    NotDurable { name: String, source: io::Error },
    /// A document and its header would be replaced where nothing keeps another process from doing the same.
    #[error(
        "the directory {} cannot be locked, and a document and its header are replaced together under its lock only; \
         give both new names, or write them on a file system that has locks",
        path.display()
    )]
    NoLock { path: PathBuf },
    /// Two would read one file, and of a pipe each would lack what the other took.
    #[error(
        "{name} is {} and {} at once; give each a file or a pipe of its own", roles[0], roles[1]
    )]
    TwoReaders { name: String, roles: [&'static str; 2] },
    /// The output would be a file among those of a vault or a service's home.
    #[error(
        "{} would be a file in {}, which keeps keys: nothing else belongs there, and a replaced file of it loses \
         keys; choose another place with {option}",
        path.display(), store.display()
    )]
    InsideStore { path: PathBuf, store: PathBuf, option: &'static str },
    /// A passphrase file is among the files of a vault or of a service's home.
    #[error(
        "the passphrase file {} is a file of {}, which keeps keys: it would be copied with them, or replaced; write the \
         passphrase into a file in another place, and name that",
        path.display(), store.display()
    )]
    PassphraseInStore { path: PathBuf, store: PathBuf },
    /// The output would have a name of the command's own, which later runs remove or take for a header.
    #[error(
        "{} has a name that strongroom gives to files of its own while it works, and a later run could remove it; \
         choose another name with {option}", path.display()
    )]
    Reserved { path: PathBuf, option: &'static str },
    /// A file to be rewrapped has the name of a temporary file of the command's own.
    #[error(
        "{} has a name that strongroom gives to unfinished files, and a later run could remove it; give it another \
         name with mv first", path.display()
    )]
    ReservedInput { path: PathBuf },
    /// The lock of a file or of its directory cannot be had.
    #[error("cannot lock {name}: {}; check the device it is on", Said(source))]
    Lock { name: String, source: io::Error },
    /// Another process holds a lock for longer than this one may wait.
    #[error(
        "another process has held the lock of {name} for {} s, and nothing was changed; wait for it, or end it, and \
         run this again", waited.as_secs()
    )]
    Waited { name: String, waited: Duration },
    /// No file can be made in the output's directory.
    #[error(
        "cannot write into the directory {}: {}; choose another place with {option}",
        path.display(), Said(source)
    )]
    Directory { path: PathBuf, source: io::Error, option: &'static str },
    /// The input cannot be read.
    #[error("cannot read {name}: {}; {}", Said(source), read_advice(source))]
    Read { name: String, source: io::Error },
    /// A file holds no RSA key of 2048 bits that can be imported.
    #[error("{name} does not hold a key that can be imported: {reason}")]
    KeyFile { name: String, reason: String },
    /// The input is another one than when it was opened.
    #[error(
        "{name} was changed while it was sealed, and the result must not be kept; try again when \
         nothing writes to it, or seal what it holds by then with --stream"
    )]
    Changed { name: String },
    /// The input that is to be sealed is shorter or longer than when it was opened.
    #[error("{}, or read it to its end with --stream", document_sentence(name, source))]
    ChangedLength { name: String, source: Error },
    /// The output cannot be written.
    #[error("cannot write {name}: {}; {}", Said(source), write_advice(source))]
    Write { name: String, source: io::Error },
    /// Standard output is not there.
    #[error(
        "cannot write {name}: it is closed (or is /dev/null); name a file with -o; the command verify \
         authenticates a document and writes nothing"
    )]
    StdoutClosed { name: String },
    /// Standard input is not there.
    #[error(
        "cannot read standard input: it is closed; give it something to read, name a file, or have an \
         empty input with: </dev/null"
    )]
    StdinClosed,
    /// Standard output was closed while a report was printed.
    #[error(
        "standard output was closed before everything was printed; run it again without the pipe"
    )]
    Print,
    /// The report cannot be written to standard output.
    #[error("cannot write standard output: {}; send it to another place with >", Said(.0))]
    NotPrinted(io::Error),
    /// The work is done, and the report of it found standard output closed.
    #[error("{name} is complete, but standard output was closed before the figures were printed")]
    PrintAfter { name: String },
    /// The engine refused the input.
    #[error("{}", document_sentence(name, source))]
    Document { name: String, source: Error },
    /// A sealed document's first 128 bytes, and no header behind them.
    #[error(
        "{name}: no header follows its first 128 bytes: it is kept in a file of its own, or damaged; \
         {next}, or restore the document from a copy"
    )]
    HeaderApart { name: String, next: &'static str },
    /// A header, and no body behind it.
    #[error("{name} holds a header and no document: {next}")]
    HeaderAlone { name: String, next: &'static str },
    /// The header and the body are not of one document.
    #[error(
        "{name} does not belong to the header in {header}: that is another document's; name the \
         header's file that was made with it"
    )]
    OtherHeader { name: String, header: String },
    /// A range is not in the plaintext.
    #[error("{name} holds {length} bytes, and the range goes beyond; give one within 0..{length}")]
    BeyondEnd { name: String, length: u64 },
    /// Something else than a file was to be rewrapped.
    #[error("{} is not a file; give a sealed document, or a header's file", path.display())]
    NotAFile { path: PathBuf },
    /// The header of a file could not be replaced.
    #[error(
        "cannot rewrap {name}: {}; unless another program changed it meanwhile, it opens with its old key or with its \
         new one: {}, and run the same command again",
        Said(source),
        rewrap_advice(source)
    )]
    Rewrap { name: String, source: io::Error },
    /// A document that is to be rewrapped is not what its header says, or has another context.
    #[error(
        "{name}: {}; give the --context it was sealed with (or --any-context, to bring it to a newer \
         version of its key and nothing else), or restore the file from a copy where another program changed it",
        Error::Authentication
    )]
    NotUnlocked { name: String },
    /// A key does not unwrap what was wrapped for it.
    #[error(
        "{name}: the vault does not unwrap what was just wrapped for {key}: another key has this id by \
         now; the file is as it was: run the same command again"
    )]
    Unproved { name: String, key: String },
    /// A document could not be sealed again under the customer's key.
    #[error(
        "cannot move {name}: {}; it is as it was: {}, and run the same command again",
        Said(source),
        rewrap_advice(source)
    )]
    Move { name: String, source: io::Error },
    /// A document that was sealed again does not open to the same text.
    #[error(
        "{name} is as it was: sealed again, it did not open to the same text with backend {backend}; test this machine's \
         memory, and run the same command again"
    )]
    MovedOther { name: String, backend: &'static str },
    /// A document could not be removed.
    #[error("cannot remove {}: {}; {}", path.display(), Said(source), rewrap_advice(source))]
    Remove { path: PathBuf, source: io::Error },
    /// A document of another resource, or of none.
    #[error(
        "{name} is not a document of the resource {resource}: it is sealed under {wrapped_by}; name the resource that it is \
         of, or leave it out"
    )]
    Foreign { name: String, resource: ResourceId, wrapped_by: String },
    /// Documents were moved, and that could not be recorded.
    #[error(
        "{moved} documents were moved under the key, and the resource's state does not count them: {}",
        resource_sentence(source)
    )]
    NotCounted { moved: u64, source: Box<strongroom_keys::Error> },
    /// The name of a document was another file's at each attempt.
    #[error("{name}: other processes keep replacing it; run the same command again")]
    Replaced { name: String },
    /// A file's header was another one at each attempt.
    #[error("{name}: other processes keep changing its header; run the same command again")]
    Contended { name: String },
    /// Some of several files could not be worked on, and each was named.
    #[error(
        "{failed} of {files} files could not be {done}, each named above; mend what is said there, and \
         run the same command again"
    )]
    SomeNotDone { failed: usize, files: usize, done: &'static str },
    /// The same where the others cannot be done again: their results are there.
    #[error(
        "{} of {files} files could not be {done}, each named above; mend what is said there, and run the command again \
         with these files alone: {}", left.len(), words::listed(left)
    )]
    SomeLeft { files: usize, done: &'static str, left: Vec<Place> },
    /// The vault has none of the keys that a document is wrapped with.
    #[error(
        "no key for {name} in the vault {} (id {id}): it is sealed under {wrapped_with}; name the \
         vault that has this key with --vault", vault.display()
    )]
    NoKey { name: String, vault: PathBuf, id: String, wrapped_with: String },
    /// The vault has the key, and this version does not know how it was used.
    #[error(
        "{name}: it is wrapped with the key {key} by an algorithm that this version does not know \
         (number {algorithm}): open it with a newer version, or restore it from a copy if it was changed"
    )]
    UnknownAlgorithm { name: String, key: String, algorithm: u8 },
    /// The header is not authentic with the key at hand.
    #[error(
        "{name}: authentication of its header failed: the key or the context is not the one it was sealed \
         with, or the header was changed; give the --context it was sealed with, or restore the file from a \
         copy"
    )]
    Header { name: String },
    /// The header is authentic, and a chunk behind it is not.
    #[error(
        "{name}: its header is authentic, and {place} was changed, or the end is cut off; restore the file from \
         a copy"
    )]
    Chunk { name: String, place: String },
    /// The sealed document does not open to the input again.
    #[error(
        "the check failed: opened again with backend {backend}, the sealed document is not what \
         {name} holds; nothing was kept: try again when nothing writes to {name}, and test this \
         machine's memory if it happens again"
    )]
    Check { name: String, backend: &'static str },
    /// The vault refused.
    #[error("{}", vault_sentence(.0))]
    Vault(LocalVaultError),
    /// Others can reach a vault's directory or one of its key files.
    #[error(
        "{} is open to other users (mode {mode:03o}), so its keys may be known to them; make it private with: {}",
        path.display(), hint::make_private(path, *wanted)
    )]
    VaultExposed { path: PathBuf, mode: u32, wanted: u32 },
    /// The vault has a passphrase and none was given.
    #[error("{0} with --passphrase-file")]
    Passphrase(LocalVaultError),
    /// A customer's vault got another passphrase than the home has a file of, or lost it.
    #[error(
        "the vault {} {}; record that with: {}",
        vault.display(),
        if *has_one { "has a passphrase that the service's home has no file of" } else { "has no passphrase any more" },
        hint::record_passphrase(vault, *has_one)
    )]
    CustomerPassphrase { vault: PathBuf, has_one: bool },
    /// The vault does not let the service use a customer's key.
    #[error(
        "{source}; or grant what is lacking with: {}",
        hint::with_vault(if *is_disabled { "vault grant --enable" } else { "vault grant" }, identity, vault)
    )]
    NotGranted {
        source: Box<strongroom_keys::Error>,
        identity: String,
        is_disabled: bool,
        vault: PathBuf,
    },
    /// A file of the vault cannot be read or written.
    #[error("cannot {doing} {}: {}; {}", path.display(), Said(source), vault_advice(source))]
    VaultFile { doing: &'static str, path: PathBuf, source: io::Error },
    /// The directory is not a vault where one was expected.
    #[error("there is no vault at {path}; {next}", path = path.display())]
    NoVault { path: PathBuf, next: String },
    /// The vault has no key of the name.
    #[error("{source}; create it with: {}", hint::with_vault("vault create", name, vault))]
    NoSuchKey { name: String, vault: PathBuf, source: Box<LocalVaultError> },
    /// The home knows a vault of that id in another directory.
    #[error(
        "the vault {id} is at {known}, and {named} has the same id: a copy, or the vault moved; name {known}, or, if \
         it was moved, say so with: {}",
        hint::strongroom("service move-vault", &[], &[("--vault", named.as_ref()), ("--home", home.as_ref())]),
        known = known.display(),
        named = named.display(),
    )]
    VaultMoved { id: String, known: PathBuf, named: PathBuf, home: PathBuf },
    /// A vault that no resource has a key in.
    #[error(
        "no resource of {home} is under a key of the vault {id} at {named}; put one under it with: {}",
        hint::strongroom(
            "resource enable-cmk NAME --key KEY",
            &[],
            &[("--vault", named.as_ref()), ("--home", home.as_ref())]
        ),
        named = named.display(),
        home = home.display()
    )]
    VaultUnused { id: String, named: PathBuf, home: PathBuf },
    /// A vault that lacks a key that resources are under, so that it is not the vault moved, but an older copy.
    #[error(
        "{named} lacks the key {key}, which the resource {resource} is under: it is an older copy of the vault; find the \
         newest one",
        named = named.display()
    )]
    VaultOlder { named: PathBuf, key: VersionedKeyId, resource: ResourceId },
    /// The default vault cannot be placed without a home directory.
    #[error("there is no home directory for a vault; name one with --vault")]
    NoHome,
    /// The variable that names the user's directory is empty.
    #[error(
        "the variable HOME is empty, so there is no place for a vault or a service's home; set it, or name them with \
         --vault and --home"
    )]
    EmptyHome,
    /// The directory is not a service's home where one was expected.
    #[error("there is no service's home at {}; {next}", path.display())]
    NoService { path: PathBuf, next: String },
    /// There is a home already.
    #[error("{} is a service's home already; use it as it is, or name another with --home", path.display())]
    HomeExists { path: PathBuf },
    /// A home without its own vault, or without a key of it.
    #[error(
        "the service's home {} lacks {lacking}, {}; restore it from a backup of the home, with: {}",
        home.display(), place.display(), hint::from_backup()
    )]
    HomeLacks { home: PathBuf, lacking: &'static str, place: PathBuf },
    /// A file of a home is not what it was.
    #[error("{}", damage_sentence(path, reason, path.parent(), "home"))]
    HomeDamaged { path: PathBuf, reason: &'static str },
    /// Others can reach a home.
    #[error(
        "{} is open to other users (mode {mode:03o}); make it private with: {}",
        path.display(), hint::make_private(path, 0o700)
    )]
    HomeExposed { path: PathBuf, mode: u32 },
    /// A home cannot be kept on the file system.
    #[error(
        "the file system at {} {lacking}; name a home on another one with --home, such as ext4, XFS, Btrfs or NFS",
        path.display()
    )]
    HomeFileSystem { path: PathBuf, lacking: Lacking },
    /// A file of a home cannot be read or written.
    #[error("cannot {doing} {}: {}; {}", path.display(), Said(source), home_advice(source))]
    HomeFile { doing: &'static str, path: PathBuf, source: io::Error },
    /// Another process holds a home's lock for longer than this one may wait.
    #[error(
        "another process has been changing the service's home {} for {} s; wait for it, or end it, and run \
         this again",
        path.display(), waited.as_secs()
    )]
    HomeLocked { path: PathBuf, waited: Duration },
    /// A document belongs to a resource that the home does not have.
    #[error(
        "no key for {name} in the service's home {}: it is sealed under {wrapped_with}; name the home \
         that has this resource with --home, or, where this home has lost it, bring it back with: {}", home.display(),
        hint::from_backup()
    )]
    NoResourceKey { name: String, home: PathBuf, wrapped_with: String },
    /// Something was not done with a resource.
    #[error("{}", resource_sentence(.0))]
    Resource(Box<strongroom_keys::Error>),
    /// The audit trail does not hold, or cannot be read.
    #[error("{}", audit_sentence(.0))]
    Audit(#[from] AuditError),
    /// The audit trail holds but for what was closed when it was damaged.
    #[error(
        "the audit trail holds but for damaged parts, which were closed, and what they held is lost: {}",
        parts.join("; ")
    )]
    TrailRepaired { parts: Vec<String> },
    /// Something has the name that a directory is to have.
    #[error("{} exists and is kept; choose another place with {option}", path.display())]
    Taken { path: PathBuf, option: &'static str },
    /// A directory with keys would be open to other users.
    #[error(
        "the file system at {} does not keep permissions: other users could read the keys; choose another place with \
         {option}",
        path.display()
    )]
    NotPrivate { path: PathBuf, option: &'static str },
    /// A backup, or a home from one, is not made.
    #[error(transparent)]
    Backup(#[from] BackupFailure),
    /// A home of another format.
    #[error(
        "the service's home {} has the format {found}, and this version reads the format {read} only; use the version \
         that made it", path.display()
    )]
    HomeFormat { path: PathBuf, found: u32, read: u32 },
    /// Some resources that were due could not be shredded, and each was named.
    #[error(
        "{failed} resources were due and could not be shredded, each named above; run it again"
    )]
    SomeNotShredded { failed: usize },
    /// The pool of threads could not be started.
    #[error("cannot start {threads} threads: {reason}; give fewer with --threads")]
    Threads { threads: usize, reason: String },
}

impl Failure {
    /// Something was wrong with reading `name`.
    pub(crate) fn read(name: impl Into<String>, source: io::Error) -> Self {
        Self::Read { name: name.into(), source }
    }

    /// Something was wrong with writing `name`.
    pub(crate) fn write(name: impl Into<String>, source: io::Error) -> Self {
        Self::Write { name: name.into(), source }
    }

    /// The words of `source`, an error of the system.
    pub(crate) fn system(source: &io::Error) -> String {
        Said(source).to_string()
    }

    /// Converts an error of reading or writing to a failure to rewrap `name`.
    pub(crate) fn into_rewrap(self, name: &str) -> Self {
        match self {
            Self::Directory { source, .. } | Self::Write { source, .. } => {
                Self::Rewrap { name: name.to_owned(), source }
            }
            other => other,
        }
    }

    /// Converts an error of writing to a failure to move `name`.
    pub(crate) fn into_move(self, name: &str) -> Self {
        match self {
            Self::Directory { source, .. } | Self::Write { source, .. } => {
                Self::Move { name: name.to_owned(), source }
            }
            other => other,
        }
    }
}

impl From<LocalVaultError> for Failure {
    fn from(error: LocalVaultError) -> Self {
        match error {
            LocalVaultError::Io { doing, path, source } => Self::VaultFile { doing, path, source },
            LocalVaultError::Exposed { path, mode, wanted } => {
                Self::VaultExposed { path, mode, wanted }
            }
            error @ LocalVaultError::PassphraseNeeded { .. } => Self::Passphrase(error),
            LocalVaultError::KeyMissing { ref vault, ref name, .. } => Self::NoSuchKey {
                name: name.clone(),
                vault: vault.clone(),
                source: Box::new(error),
            },
            error => Self::Vault(error),
        }
    }
}

impl From<strongroom_keys::Error> for Failure {
    fn from(error: strongroom_keys::Error) -> Self {
        Self::Resource(Box::new(error))
    }
}
