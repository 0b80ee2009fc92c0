//! Commands in messages, as a shell of this system takes them: they work as they are printed.
//!
//! A command that was given with options such as `--vault` is about that vault, and so is the next one: those that
//! the next one takes are in it.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use crate::args::Cli;

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
    line.join(" ")
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

/// The command `strongroom COMMAND WORD` on the vault at `vault`.
pub(crate) fn with_vault(command: &str, word: &str, vault: &Path) -> String {
    strongroom(command, &[word.into()], &[("--vault", vault.as_ref())])
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
