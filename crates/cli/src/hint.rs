//! Commands in messages, as a shell of this system takes them: they work as they are printed.
//!
//! A command that was given with options such as `--vault` is about that vault, and so is the next one: those that
//! the next one takes are in it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};
use strongroom_keys::resource::ResourceId;
use strongroom_local_vault::LocalVault;

use crate::args::Cli;
use crate::time::{compact_time, since_epoch};

/// Options that say which keys and documents a command is about.
const CARRIED: [&str; 9] = [
    "vault",
    "passphrase-file",
    "home",
    "context",
    "any-context",
    "tenant",
    "region",
    "require-cmk",
    "least-epoch",
];

/// Directories of the vaults that this process opened, by their ids.
static VAULTS: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// Takes note of where `vault` is: a command about a key of it names the directory.
pub(crate) fn note_vault(vault: &LocalVault) {
    let mut vaults = VAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    vaults.insert(vault.id().to_string(), vault.path().to_owned());
}

/// Directory of the vault `id`; `DIR` for the user to replace where this process did not open it.
pub(crate) fn directory_of(id: &str) -> PathBuf {
    let vaults = VAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    vaults.get(id).cloned().unwrap_or_else(|| PathBuf::from("DIR"))
}

/// An option without its hyphens, and its values.
type Given = (String, Vec<OsString>);

static GIVEN: OnceLock<Vec<Given>> = OnceLock::new();

/// Takes note of the options that `matches` of this process's command line has. What the environment says the
/// next command hears as well.
pub(crate) fn note_given(matches: &ArgMatches) {
    let (mut command, mut matches) = (&Cli::command(), matches);
    while let Some((name, of_command)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        (command, matches) = (found, of_command);
    }
    let given = command.get_arguments().filter_map(|argument| {
        let long = argument.get_long().filter(|long| CARRIED.contains(long))?;
        let id = argument.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            return None;
        }
        let takes_values = argument.get_action().takes_values();
        let values = matches.get_raw(id).filter(|_| takes_values).into_iter().flatten();
        Some((long.to_owned(), values.map(OsStr::to_owned).collect()))
    });
    let _ = GIVEN.set(given.collect());
}

/// A word of a command that is not an option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word<'a> {
    /// A path, which may get `./` before it.
    Path(&'a Path),
    /// Anything else, which stays what it is.
    Name(&'a str),
}

impl<'a> From<&'a Path> for Word<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a str> for Word<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl Word<'_> {
    fn quoted(self) -> String {
        match self {
            Self::Path(path) => quoted(path),
            Self::Name(name) => shell_word("", name.as_ref()),
        }
    }

    /// True of one that a command would take for an option.
    fn is_like_option(self) -> bool {
        matches!(self, Self::Name(name) if name.starts_with('-'))
    }
}

/// `strongroom COMMAND WORDS OPTIONS`, and those options of this process that the command takes as well.
pub(crate) fn strongroom(command: &str, words: &[Word<'_>], options: &[(&str, &OsStr)]) -> String {
    let mut line = vec!["strongroom".to_owned(), command.to_owned()];
    let words_last = words.iter().any(|word| word.is_like_option());
    let quoted_words = words.iter().map(|word| word.quoted());
    if !words_last {
        line.extend(quoted_words.clone());
    }
    line.extend(options.iter().map(|(option, value)| with_value(option, value)));
    let whole = Cli::command();
    let names = command.split(' ');
    let of_command = names.fold(&whole, |at, name| at.find_subcommand(name).unwrap_or(at));
    let takes = |long: &str| {
        let mut arguments = of_command.get_arguments();
        let has = arguments.any(|argument| argument.get_long() == Some(long));
        has && !options.iter().any(|(option, _)| option.strip_prefix("--") == Some(long))
    };
    for (long, values) in GIVEN.get().into_iter().flatten().filter(|(long, _)| takes(long)) {
        let option = format!("--{long}");
        line.extend(values.iter().map(|value| with_value(&option, value)));
        if values.is_empty() {
            line.push(option);
        }
    }
    if words_last {
        line.push("--".to_owned());
        line.extend(quoted_words);
    }
    debug_assert!(is_taken(command, words, options), "{}", line.join(" "));
    line.join(" ")
}

/// True of words and options that this program takes with `command`: a build for tests refuses any others.
fn is_taken(command: &str, words: &[Word<'_>], options: &[(&str, &OsStr)]) -> bool {
    let mut line: Vec<OsString> =
        ["strongroom"].into_iter().chain(command.split(' ')).map(OsString::from).collect();
    for (option, value) in options {
        let mut option = OsString::from(format!("{option}="));
        option.push(value);
        line.push(option);
    }
    line.push("--".into());
    line.extend(words.iter().map(|word| match word {
        Word::Path(path) => path.as_os_str().to_owned(),
        Word::Name(name) => (*name).into(),
    }));
    match Cli::command().try_get_matches_from(line) {
        Ok(_) => true,
        // A word such as NAME is the user's to replace.
        Err(error) => error.kind() == clap::error::ErrorKind::ValueValidation,
    }
}

/// `OPTION VALUE`; with `=` between them where the value would be taken for an option.
fn with_value(option: &str, value: &OsStr) -> String {
    let between = if value.as_encoded_bytes().starts_with(b"-") { '=' } else { ' ' };
    format!("{option}{between}{}", shell_word("", value))
}

/// The command that makes the resource `name`, whose tenant and region the user knows.
pub(crate) fn create_resource(name: &str) -> String {
    let options = [("--tenant", "TENANT".as_ref()), ("--region", "REGION".as_ref())];
    strongroom("resource create", &[name.into()], &options)
}

/// The command that makes a backup of the home that this command is about, under a name that is new each second.
pub(crate) fn backup() -> String {
    let name = format!("strongroom-backup-{}", compact_time(since_epoch(SystemTime::now())));
    strongroom("service backup", &[], &[("-o", name.as_ref())])
}

/// The command that takes the states that are in doubt for the newest.
pub(crate) fn accept_states() -> String {
    strongroom("service restore --accept-states", &[], &[])
}

/// The command that brings the home that this command is about back from a backup.
pub(crate) fn from_backup() -> String {
    strongroom("service restore", &[], &[("--from", "BACKUP".as_ref())])
}

/// The command that gives up the first of the resources `lost`, of which no state is left.
pub(crate) fn give_up(lost: &[ResourceId]) -> String {
    let name = lost.first().map_or("NAME", ResourceId::as_str);
    strongroom("resource delete --states-lost", &[name.into()], &[])
}

/// `text` of a change that made keys, which earlier backups lack, and the `command` that makes the next one.
pub(crate) fn with_backup(text: &str, command: &str) -> String {
    format!("{text}; earlier backups lack its new keys: copy the home again with: {command}")
}

/// The command `strongroom COMMAND WORD` on the vault at `vault`.
pub(crate) fn with_vault(command: &str, word: &str, vault: &Path) -> String {
    strongroom(command, &[word.into()], &[("--vault", vault.as_ref())])
}

/// The id of the vault in the id of a key, `local/VAULT/NAME/VERSION`.
pub(crate) fn vault_of(id: &str) -> String {
    id.split('/').nth(1).unwrap_or_default().to_owned()
}

/// The command `strongroom COMMAND NAME` about the key of which `id` (`local/VAULT/NAME/VERSION`) is a version.
pub(crate) fn on_key(command: &str, id: &str) -> String {
    let mut parts = id.split('/').skip(1);
    let (vault, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    with_vault(command, name, &directory_of(vault))
}

/// The command `strongroom COMMAND NAME --key-version VERSION OPTIONS` about the version `id`.
pub(crate) fn on_version(command: &str, id: &str, options: &[(&str, &OsStr)]) -> String {
    let mut parts = id.split('/').skip(1);
    let (vault, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (vault, version) = (directory_of(vault), parts.next().unwrap_or_default());
    let mut all = vec![("--key-version", version.as_ref()), ("--vault", vault.as_os_str())];
    all.extend_from_slice(options);
    strongroom(command, &[name.into()], &all)
}

/// The command that puts the resource `name` under a customer's key, which the user chooses.
pub(crate) fn enable_cmk(name: &str) -> String {
    let options = [("--key", "KEY".as_ref()), ("--vault", "DIR".as_ref())];
    strongroom("resource enable-cmk", &[name.into()], &options)
}

/// The command that has the home know whether the customer's vault at `vault` has a passphrase, and the file with it.
pub(crate) fn record_passphrase(vault: &Path, has_one: bool) -> String {
    let mut options = vec![("--vault", vault.as_os_str())];
    options.extend(has_one.then_some(("--passphrase-file", "FILE".as_ref())));
    strongroom("service move-vault", &[], &options)
}

/// The command that puts a copy of the file `path`, from the directory `COPY` that is one of `root`, in its place.
pub(crate) fn copy_back(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    if cfg!(windows) {
        let copy = Path::new("COPY").join(inside);
        return format!("cmd /c copy /y {} {}", quoted(copy), quoted(path));
    }
    let (copy, path_word) = (shell_word("COPY/", inside.as_os_str()), quoted(path));
    // What is not a file is not written through, or into.
    if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".damaged");
        return format!("mv -- {path_word} {} && cp -Rp -- {copy} {path_word}", quoted(aside));
    }
    format!("cp -p -- {copy} {path_word}")
}

/// The command that lets nobody but its owner use `path`.
pub(crate) fn make_private(path: &Path, mode: u32) -> String {
    format!("chmod {mode:o} {}", quoted(path))
}

/// The command that shows the document at `path` with the header in the file `header`.
pub(crate) fn inspect_pair(path: &str, header: &Path) -> String {
    strongroom("inspect", &[Path::new(path).into()], &[("--header", header.as_ref())])
}

/// The command that gives the header `next` the name `own` and replaces nothing, for a shell of this system.
pub(crate) fn naming(next: &Path, own: &Path) -> String {
    let names = format!("{} {}", quoted(next), quoted(own));
    if cfg!(windows) {
        // Of cmd and PowerShell alike; a slash would begin an option.
        format!("cmd /c move /-y {}", names.replace('/', "\\"))
    } else {
        format!("mv -n -- {names}")
    }
}

/// `path` as a shell of this system takes it for one word, and no command for an option.
pub(crate) fn quoted(path: impl AsRef<OsStr>) -> String {
    let path = path.as_ref();
    let start = if path.as_encoded_bytes().starts_with(b"-") { "./" } else { "" };
    shell_word(start, path)
}

/// `start` and `word` as a shell of this system takes them for one word.
fn shell_word(start: &str, word: &OsStr) -> String {
    let bytes = word.as_encoded_bytes();
    let text = String::from_utf8_lossy(bytes);
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if cfg!(windows) {
        let plain = |c: char| plain(c) || c == '\\';
        let is_plain = !text.is_empty() && text.chars().all(plain);
        return if is_plain { format!("{start}{text}") } else { format!("\"{start}{text}\"") };
    }
    if !text.is_empty() && !text.contains('\u{fffd}') && text.chars().all(plain) {
        return format!("{start}{text}");
    }
    let is_text = std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.contains(strongroom_keys::audit::is_unsafe));
    if is_text {
        return format!("'{start}{}'", text.replace('\'', r"'\''"));
    }
    // What would command the terminal, or is no text, by its number, which each POSIX shell's `printf` knows. A
    // shell takes line ends from the end of what a command prints: there a pattern stands for each.
    let ends = bytes.iter().rev().take_while(|byte| **byte == b'\n').count();
    let printed = bytes.get(..bytes.len().saturating_sub(ends)).unwrap_or_default();
    let number = |(at, byte): (usize, &u8)| match byte {
        b'%' => "%%".to_owned(),
        b'-' if at == 0 && start.is_empty() => r"\055".to_owned(),
        b'\'' | b'\\' | 0..b' ' | 0x7f.. => format!("\\{byte:03o}"),
        byte => char::from(*byte).to_string(),
    };
    let format: String = printed.iter().enumerate().map(number).collect();
    format!("\"$(printf '{start}{format}')\"{}", "[[:cntrl:]]".repeat(ends))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_word_for_what_it_was() {
        for word in [
            &b"plain/path-1.sealed"[..],
            b"",
            b"two words",
            b"it's",
            b"a\"b$c`d\\e",
            b"*?[x]~!#&;|<>(){}",
            b"line\nend\t",
            b"\t100% %s\\n it's",
            b"\x1b[31mred",
            b"caf\xc3\xa9",
            b"no text \xff\xfe",
            "\u{202e}x".as_bytes(),
        ] {
            let quoted = quoted(OsStr::from_bytes(word));
            assert!(!quoted.contains(strongroom_keys::audit::is_unsafe), "{quoted}");
            let line = format!("printf %s {quoted}");
            for shell in ["sh", "bash"] {
                let shown = std::process::Command::new(shell).args(["-c", &line]).output().unwrap();
                assert_eq!(shown.stdout, word, "{shell}: {quoted}");
            }
        }
        assert_eq!(quoted("-x"), "./-x");
        assert_eq!(quoted("- x"), "'./- x'");
    }

    #[test]
    fn a_shell_finds_a_file_whose_name_ends_with_line_ends() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("name\n\n"), b"text").unwrap();
        let line = format!("cat {}", quoted("name\n\n"));
        let mut shell = std::process::Command::new("sh");
        let shown = shell.args(["-c", &line]).current_dir(directory.path()).output().unwrap();
        assert_eq!(shown.stdout, b"text", "{line}");
    }

    #[test]
    fn names_and_values_stay_what_they_are() {
        assert_eq!(
            strongroom("vault recover", &["-x".into()], &[]),
            "strongroom vault recover -- -x"
        );
        assert_eq!(
            with_vault("vault create", "-x", Path::new("-v")),
            "strongroom vault create --vault=-v -- -x"
        );
        assert_eq!(with_value("--context", OsStr::new("-a=b c")), "--context='-a=b c'");
        assert_eq!(with_value("--context", OsStr::new("a=b")), "--context a=b");
    }
}
