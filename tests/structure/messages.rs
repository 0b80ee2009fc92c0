//! Commands in messages: `crates/cli/src/hint.rs` builds them all, with the options that the next one needs, and the
//! libraries name a step and no command, since who uses them has no command line.

use std::path::Path;

use super::{Sources, code, is_test, one, sources};

/// The commands that a message could name after `strongroom `.
const COMMANDS: [&str; 11] = [
    "seal",
    "open",
    "inspect",
    "verify",
    "rewrap",
    "vault",
    "service",
    "resource",
    "service-key",
    "audit",
    "backends",
];

/// Files of the command that may name commands: they build them, or are the text of `--help`.
const BUILDERS: [&str; 2] = ["crates/cli/src/hint.rs", "crates/cli/src/args"];

/// Lines of `text` that name one of this project's commands, or `chmod`.
fn named_commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| {
        let names = |at: usize| {
            let word = line[at..].split(|c: char| !(c.is_alphanumeric() || c == '-')).next();
            word.is_some_and(|word| COMMANDS.contains(&word))
        };
        line.contains("chmod ")
            || line.match_indices("strongroom ").any(|(at, found)| names(at + found.len()))
    })
}

/// True where `line` has an option of a command line, such as `--vault`.
fn has_option(line: &str) -> bool {
    line.match_indices("--").any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + 2..].chars().next();
        before.is_none_or(|c| c == ' ' || c == '"') && after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

fn complaints(sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| !is_test(path)) {
        let is_cli = path.starts_with("crates/cli/src");
        let is_library =
            !is_cli && !path.starts_with("crates/compare") && !path.starts_with("fuzz");
        let is_builder = BUILDERS.iter().any(|builder| {
            path.starts_with(builder) || path.as_path() == Path::new(&format!("{builder}.rs"))
        });
        let code = code(text);
        if (is_cli && !is_builder) || is_library {
            let say =
                |line: &str| format!("{}: build it in hint.rs: {}", path.display(), line.trim());
            complaints.extend(named_commands(&code).map(say));
        }
        if is_library {
            let options = code.lines().filter(|line| has_option(line));
            complaints.extend(options.map(|line| {
                format!("{}: a library's user has no options: {}", path.display(), line.trim())
            }));
        }
    }
    complaints
}

#[test]
fn commands_in_messages_are_built_in_one_place_and_libraries_name_none() {
    let mut all = sources("crates");
    all.extend(sources("src"));
    assert_eq!(complaints(&all), [""; 0]);

    for (path, text, count) in [
        ("crates/cli/src/a.rs", "say(\"run strongroom rewrap again\");", 1),
        ("crates/cli/src/a.rs", "say(\"with: strongroom service-key rotate\");", 1),
        ("crates/cli/src/a.rs", "say(\"run chmod 600 on it\");", 1),
        ("crates/cli/src/a.rs", "say(\"a file that strongroom has sealed, with --force\");", 0),
        ("crates/cli/src/a.rs", "//! `strongroom vault init`.\nfn a() {}", 0),
        ("crates/cli/src/hint.rs", "say(\"strongroom vault init\");", 0),
        ("crates/cli/src/args.rs", "say(\"strongroom vault init\");", 0),
        ("crates/cli/src/args/vault.rs", "say(\"strongroom vault init\");", 0),
        ("crates/keys/src/a.rs", "say(\"with strongroom resource refresh\");", 1),
        ("crates/keys/src/a.rs", "say(\"run chmod 700 on it\");", 1),
        ("crates/keys/src/a.rs", "say(\"give it with --vault\");", 1),
        ("src/a.rs", "say(\"--stream reads it to its end\");", 1),
        ("src/a.rs", "let a = b - -c;\nsay(\"a -- b ---\");", 0),
        ("crates/keys/tests/a.rs", "say(\"run chmod 700 on it\");", 0),
    ] {
        assert_eq!(complaints(&one(path, text)).len(), count, "{path}: {text}");
    }
}
