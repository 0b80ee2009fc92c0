//! The command line.

mod documents;
mod service;
mod vault;

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, Resettable, TypedValueParser as _};
use clap::{
    ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint,
};
use clap_complete::Shell;
use strongroom::backend::Backend;
use strongroom::document::ChunkLen;

use crate::failure::Failure;
use crate::hint;
use crate::output::Existing;
use crate::place::Place;
use crate::print::{self, ErrorFormat};
use crate::range::ByteRange;
use crate::size::parse_chunk_len;
use crate::time::{parse_duration, parse_lifetime, parse_time};

pub(crate) use self::documents::{DeleteDocumentsArgs, MoveDocumentsArgs, SweepArgs};
pub(crate) use self::service::{
    AuditCommand, CreateResourceArgs, DeleteResourceArgs, EnableCmkArgs, HomeBackupArgs,
    HomeOption, KindOption, MovedToTenantArgs, OnKeyLossOption, ResourceArgs, ResourceCommand,
    ResourceOption, RotateCmkArgs, ScopeOption, ServiceCommand, ServiceKeyCommand, TimeOption,
};
pub(crate) use self::vault::{
    BackupArgs, CreateKeyArgs, DateOptions, GrantArgs, IdentityArgs, ImportArgs, InitArgs, KeyArgs,
    KeyType, PermissionOption, PurgeArgs, RestoreArgs, RotateKeyArgs, SetDatesArgs,
    SetPassphraseArgs, SettingsArgs, VaultAuditArgs, VaultCommand, VaultOption, VersionsArgs,
};

/// Seals documents with AES-256-GCM under keys that stay in a vault of yours.
///
/// `strongroom seal FILE` writes FILE.sealed, `strongroom open FILE.sealed` writes FILE. The first
/// `seal` creates a vault with a key; keep a copy of it, nothing opens a document without its key.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Seal a file or a stream
    Seal(SealArgs),
    /// Open a sealed document
    ///
    /// Into a file the whole document is authenticated before the file gets its name. Into a stream
    /// (-o -) each part is released when it is authenticated, and that the document was cut off is found
    /// at its end: check the exit code before you trust what you read, and discard it where that is not
    /// 0. In a shell's pipeline use `set -o pipefail`.
    Open(OpenArgs),
    /// Show the header of a document, without a key
    ///
    /// Nothing that is shown is authenticated: anyone can write a header. `verify` authenticates.
    Inspect(InspectArgs),
    /// Authenticate a whole document and write nothing
    Verify(VerifyArgs),
    /// Give documents other recipients without reading what they hold
    ///
    /// Each FILE that is wrapped with an older version of one of this vault's keys gets the newest
    /// version of that key; recipients of other vaults stay. A recipient goes only after the vault has
    /// unwrapped what was wrapped for the new one, and one that its key does not unwrap is wrapped anew.
    /// A file that is as asked already is left alone, unless one of the two copies of its recipients is
    /// damaged or out of date: then both are written anew.
    ///
    /// Headers with two copies are rewritten in place, under a lock, one copy after the other, so that
    /// the file opens whatever happens meanwhile. Others become a new file that takes the name, the
    /// owner and the permissions of the old one. What a document holds is never opened; its context
    /// and its expiry count as they do for `open`. The file that `seal --detach-header` writes is rewrapped alike.
    Rewrap(RewrapArgs),
    /// Make, list, rotate and withdraw the keys that documents are sealed under
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Make a service's home: its own keys, its resources and its audit trail
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Make resources; turn on, rotate and revoke the customers' keys over them
    #[command(subcommand)]
    Resource(ResourceCommand),
    /// Rotate the service's own key
    #[command(subcommand)]
    ServiceKey(ServiceKeyCommand),
    /// Check the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// List the AES-256-GCM implementations that this processor runs, fastest first
    Backends(BackendsArgs),
    /// Print what completes this command's words in a shell
    ///
    /// For bash: strongroom completions bash >~/.local/share/bash-completion/completions/strongroom
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    /// The files to seal, or - for standard input
    #[arg(
        required_unless_present = "exec",
        value_name = "IN",
        value_hint = ValueHint::FilePath,
        value_parser = place()
    )]
    pub(crate) inputs: Vec<Place>,

    /// The sealed document, - for standard output, or a directory to put IN.sealed into [default:
    /// IN.sealed, - for -]
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath, value_parser = place())]
    pub(crate) output: Option<Place>,

    /// Seal what this command writes to its standard output, instead of a file. It runs in the shell;
    /// where it fails nothing gets OUT's name, and what went to standard output does not open
    #[arg(long, value_name = "COMMAND", conflicts_with = "inputs", value_hint = ValueHint::CommandString)]
    pub(crate) exec: Option<String>,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// The key to seal under, in its newest version; repeated, any one of the keys opens the document
    /// [default: default, created by the first seal]
    #[arg(long = "key", value_name = "NAME", conflicts_with = "resource")]
    pub(crate) keys: Vec<String>,

    #[command(flatten)]
    pub(crate) resource: ResourceOption,

    /// Kind of the document: the resource's customer may have chosen a key for models only
    #[arg(long, value_name = "KIND", requires = "resource", default_value = "model")]
    pub(crate) kind: KindOption,

    /// Never open the document after that time: 90s, 30m, 24h or 7d from now on. Of a resource, the key
    /// that it needs is destroyed then [default: never, and 24h for a result]
    #[arg(long, value_name = "DURATION", value_parser = parse_lifetime)]
    pub(crate) expires_in: Option<u64>,

    /// The same as a date, or in seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "expires_in")]
    pub(crate) expires_at: Option<u64>,

    #[command(flatten)]
    pub(crate) context: ContextOption,

    /// The length of a chunk, a power of two from 4KiB to 16MiB [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_chunk_len)]
    pub(crate) chunk_size: Option<ChunkLen>,

    /// Seal until IN ends, however long it is by then: for a file that grows meanwhile. Pipes are
    /// always sealed so
    #[arg(long)]
    pub(crate) stream: bool,

    /// Write the header, which holds the wrapped key, to a file of its own: nobody opens the document
    /// without it, and `open --header` takes it
    #[arg(long, value_name = "HEADER_FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) detach_header: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) run: RunOptions,

    #[command(flatten)]
    pub(crate) preserve: PreserveOption,

    /// Open the result again before it gets its name, with another backend where there is one, and
    /// compare it with IN (standard input cannot be read twice: there it is authenticated only)
    #[arg(long)]
    pub(crate) check: bool,

    #[command(flatten)]
    pub(crate) force: ForceOption,

    #[command(flatten)]
    pub(crate) print: PrintOptions,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The sealed documents, or - for standard input
    #[arg(
        required = true,
        value_name = "IN",
        value_hint = ValueHint::FilePath,
        value_parser = place()
    )]
    pub(crate) inputs: Vec<Place>,

    /// The opened document, - for standard output, or a directory to put it into [default: IN without
    /// .sealed, - for -]
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath, value_parser = place())]
    pub(crate) output: Option<Place>,

    #[command(flatten)]
    pub(crate) header: HeaderOption,

    /// Write only these bytes of the opened document: START..END, START.. or ..END, counted from 0, END
    /// not among them, with KiB, MiB or GiB as wanted. No more of IN is read than holds them
    #[arg(long, value_name = "START..END", value_parser = ByteRange::parse, requires = "output")]
    pub(crate) range: Option<ByteRange>,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    #[command(flatten)]
    pub(crate) resource: ResourceOption,

    #[command(flatten)]
    pub(crate) context: ContextOption,

    #[command(flatten)]
    pub(crate) run: RunOptions,

    #[command(flatten)]
    pub(crate) preserve: PreserveOption,

    /// Leave blocks of zeros out of OUT, a file: they are read as zeros and take no room
    #[arg(long)]
    pub(crate) sparse: bool,

    #[command(flatten)]
    pub(crate) force: ForceOption,

    #[command(flatten)]
    pub(crate) print: PrintOptions,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The sealed document, or - for standard input
    #[arg(value_name = "IN", value_hint = ValueHint::FilePath, value_parser = place())]
    pub(crate) input: Place,

    #[command(flatten)]
    pub(crate) header: HeaderOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The sealed documents, or - for standard input
    #[arg(
        required = true,
        value_name = "IN",
        value_hint = ValueHint::FilePath,
        value_parser = place()
    )]
    pub(crate) inputs: Vec<Place>,

    #[command(flatten)]
    pub(crate) header: HeaderOption,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    #[command(flatten)]
    pub(crate) resource: ResourceOption,

    #[command(flatten)]
    pub(crate) context: ContextOption,

    #[command(flatten)]
    pub(crate) run: RunOptions,

    #[command(flatten)]
    pub(crate) print: PrintOptions,
}

#[derive(Debug, Args)]
pub(crate) struct RewrapArgs {
    /// Sealed documents, or headers that are kept in files of their own
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// The key of this vault that takes the place of all others of this vault, in its newest version
    /// [default: the newest version of the key that a file is wrapped with]
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,

    #[command(flatten)]
    pub(crate) context: ContextOption,

    /// Rewrap documents of any context, and only bring them to the newest version of their key: another
    /// key takes the context
    #[arg(long, conflicts_with_all = ["key", "pairs"])]
    pub(crate) any_context: bool,

    #[command(flatten)]
    pub(crate) threads: ThreadsOption,

    #[command(flatten)]
    pub(crate) print: PrintOptions,
}

#[derive(Debug, Args)]
pub(crate) struct BackendsArgs {
    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct HeaderOption {
    /// The header of IN, where `seal --detach-header` wrote it to a file of its own
    #[arg(
        long = "header",
        value_name = "HEADER_FILE",
        value_hint = ValueHint::FilePath,
        value_parser = place()
    )]
    pub(crate) place: Option<Place>,
}

impl HeaderOption {
    /// Refuses one header for several documents.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where a header is named.
    pub(crate) fn refuse_several(&self) -> Result<(), Failure> {
        match &self.place {
            None => Ok(()),
            Some(place) => Err(Failure::Usage(format!(
                "--header {place} is that of one document, and there are several; give each a \
                 command of its own"
            ))),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ContextOption {
    /// A fact that the document is bound to: it opens only with the same facts. May be repeated
    #[arg(long = "context", value_name = "K=V", value_parser = parse_pair)]
    pub(crate) pairs: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct ThreadsOption {
    /// Number of threads that work, 1 to 1024 [default: one a processor]
    #[arg(
        long = "threads",
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub(crate) count: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) threads: ThreadsOption,

    /// The AES-256-GCM implementation, as `strongroom backends` lists them [default: the fastest]
    #[arg(
        long,
        value_name = "NAME",
        env = "STRONGROOM_BACKEND",
        hide_env_values = true,
        value_parser = parse_backend
    )]
    pub(crate) backend: Option<Backend>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PreserveOption {
    /// Give OUT the permissions and the times of IN
    #[arg(short = 'p', long = "preserve")]
    pub(crate) enabled: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForceOption {
    /// Replace OUT if it exists
    #[arg(long)]
    force: bool,
}

impl ForceOption {
    /// Treatment of a file that has the output's name.
    pub(crate) fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Keep }
    }
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct JsonOption {
    /// Print JSON, an error on standard error as well
    #[arg(id = JSON, long = "json")]
    pub(crate) enabled: bool,
}

/// The name of `--json` in what clap has parsed.
const JSON: &str = "json";

impl Cli {
    /// The command line of this process, and how its errors are printed. Ends the process where it asks
    /// for help, or cannot be parsed.
    pub(crate) fn of_process() -> (Self, ErrorFormat) {
        let command = without_empty_variables(Self::command());
        let parsed = command.try_get_matches().and_then(|matches| {
            let format = ErrorFormat::asked_for(wants_json(&matches));
            hint::note_given(&matches);
            Ok((Self::from_arg_matches(&matches)?, format))
        });
        parsed.unwrap_or_else(|error| {
            // Nothing is parsed that could say it.
            if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
                let message = error.render().to_string();
                let message = message.trim_end().trim_start_matches("error: ").to_owned();
                let failure = Failure::Usage(message);
                print::error(&failure, ErrorFormat::Json);
                std::process::exit(2);
            }
            error.exit()
        })
    }
}

/// `command` with its environment variables that are empty as if they were not set, as shells and the XDG
/// directories have it: `VARIABLE= strongroom` is how one is taken away for a single command.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| match argument.get_env() {
            Some(name) if is_empty(name) => argument.env(Resettable::Reset),
            _ => argument,
        })
        .mut_subcommands(without_empty_variables)
}

/// True where `--json` was given to any of the commands that `matches` are nested for.
fn wants_json(matches: &ArgMatches) -> bool {
    matches.try_get_one::<bool>(JSON).ok().flatten().copied().unwrap_or(false)
        || matches.subcommand().is_some_and(|(_, of_command)| wants_json(of_command))
}

/// Options for the output of a command that works through documents.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PrintOptions {
    #[command(flatten)]
    pub(crate) json: JsonOption,

    /// Print warnings and errors alone: no progress, and no report but that of --json
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

fn place() -> impl clap::builder::TypedValueParser<Value = Place> {
    OsStringValueParser::new().try_map(|text| {
        if text.is_empty() {
            return Err("it is empty; give a path, or - for standard input or output".to_owned());
        }
        Ok(Place::from(OsStr::new(&text)))
    })
}

fn path() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    place().try_map(|place| match place {
        Place::Path(path) => Ok(path),
        Place::Standard => {
            Err("it must be a file, and - is standard input or output; a file of that name is ./-")
        }
    })
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

fn parse_backend(name: &str) -> Result<Backend, String> {
    Backend::by_name(name).ok_or_else(|| {
        let names: Vec<_> = Backend::available().map(Backend::name).collect();
        format!("this processor has: {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pair_splits_at_the_first_equals_sign() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(parse_pair("a=b"), pair("a", "b"));
        assert_eq!(parse_pair("a=b=c"), pair("a", "b=c"));
        assert_eq!(parse_pair("a="), pair("a", ""));
        assert!(parse_pair("=b").is_err());
        assert!(parse_pair("a").is_err());
    }
}
