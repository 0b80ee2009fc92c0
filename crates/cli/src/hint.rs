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

/// `strongroom COMMAND WORDS OPTIONS`, and those options of this process that the command takes as well.
pub(crate) fn strongroom(command: &str, words: &[&OsStr], options: &[(&str, &OsStr)]) -> String {
    let mut line = vec!["strongroom".to_owned(), command.to_owned()];
    line.extend(words.iter().map(quoted));
    for (option, value) in options {
        line.extend([(*option).to_owned(), quoted(value)]);
    }
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
        if values.is_empty() {
            line.push(option.clone());
        }
        line.extend(values.iter().flat_map(|value| [option.clone(), quoted(value)]));
    }
    line.join(" ")
}

/// The command that makes the resource `name`, whose tenant and region the user knows.
pub(crate) fn create_resource(name: &str) -> String {
    let options = [("--tenant", "TENANT".as_ref()), ("--region", "REGION".as_ref())];
    strongroom("resource create", &[name.as_ref()], &options)
}

/// The command `strongroom COMMAND WORD` on the vault at `vault`.
pub(crate) fn with_vault(command: &str, word: &str, vault: &Path) -> String {
    strongroom(command, &[word.as_ref()], &[("--vault", vault.as_ref())])
}

/// `word` as a shell of this system takes it for one, and no command for an option.
pub(crate) fn quoted(word: impl AsRef<OsStr>) -> String {
    let bytes = word.as_ref().as_encoded_bytes();
    let text = String::from_utf8_lossy(bytes);
    let start = if bytes.starts_with(b"-") { "./" } else { "" };
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
    // What would command the terminal, or is no text, by its number.
    let escape = |byte: &u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    format!("$'{start}{}'", bytes.iter().map(escape).collect::<String>())
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
            b"\x1b[31mred",
            b"caf\xc3\xa9",
            b"no text \xff\xfe",
            "\u{202e}x".as_bytes(),
        ] {
            let quoted = quoted(OsStr::from_bytes(word));
            assert!(!quoted.contains(strongroom_keys::audit::is_unsafe), "{quoted}");
            let line = format!("printf %s {quoted}");
            let shown = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(shown.stdout, word, "{quoted}");
        }
        assert_eq!(quoted("-x"), "./-x");
        assert_eq!(quoted("- x"), "'./- x'");
    }
}
