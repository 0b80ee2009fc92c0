//! Phrases that doc comments, `--help` and messages do not use: each says less than the plain one, and cannot be
//! searched for.

use std::path::Path;

use super::{Sources, code, is_test, one, sources};

/// Phrases of doc comments, with the plain ones.
const REFUSED: [(&str, &str); 10] = [
    (" is no ", "is not a"),
    (" are no ", "are not"),
    (" tell ", "show, return, distinguish"),
    (" tells ", "shows, returns, distinguishes"),
    (" told ", "shown, given, distinguished"),
    ("'s word ", "answer, request"),
    ("'s own word ", "own answer"),
    (" explicit word", "explicit request"),
    (" the one way ", "how it is done"),
    (" way to its name", "a file that has not got its name yet"),
];

/// First words of `--help` that say what the user says, and not what the command does.
const REFUSED_IN_HELP: [&str; 8] =
    ["Say ", "Let ", "Go ", "What ", "Show what ", "Show how ", "List who ", "Take "];

/// A phrase that begins with one of [`REFUSED`] and is plain all the same.
fn is_plain(before: &str, phrase: &str, after: &str) -> bool {
    let there = before.ends_with("there") || before.ends_with("There");
    match phrase {
        " is no " => there || after.starts_with("longer") || after.starts_with("more"),
        " are no " => there || after.starts_with("longer"),
        _ => false,
    }
}

/// The refused phrases in `text`, and behind them what to write.
fn refused(text: &str) -> Vec<(&'static str, &'static str)> {
    // A line may end within a phrase.
    let text = format!("{text} ");
    let phrases = REFUSED.into_iter().filter(|(phrase, _)| {
        text.match_indices(phrase)
            .any(|(at, _)| !is_plain(&text[..at], phrase, &text[at + phrase.len()..]))
    });
    phrases.collect()
}

fn complaints(sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| !is_test(path)) {
        let is_help = path.starts_with("crates/cli/src/args")
            || path.as_path() == Path::new("crates/cli/src/args.rs");
        let mut is_first = true;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start();
            let documentation = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
            let at = format!("{}:{number}", path.display());
            if let Some(words) = documentation {
                let found = refused(words).into_iter();
                complaints.extend(found.map(|(phrase, plain)| format!("{at}:{phrase}: {plain}")));
                let words = words.trim_start();
                if is_help && is_first && REFUSED_IN_HELP.iter().any(|no| words.starts_with(no)) {
                    complaints.push(format!("{at}: say what the command does: {words}"));
                }
            }
            is_first = documentation.is_none();
        }
        let is_message = |line: &&str| line.contains('"') || line.ends_with('\\');
        for line in code(text).lines().filter(is_message) {
            complaints.extend(
                refused(line).into_iter().map(|(_, plain)| {
                    format!("{}: write {plain}: {}", path.display(), line.trim())
                }),
            );
        }
    }
    complaints
}

#[test]
fn doc_comments_help_and_messages_use_plain_words() {
    let mut all = sources("src");
    for name in ["async", "cli", "files", "keys", "local-vault", "store", "vault"] {
        all.extend(sources(&format!("crates/{name}/src")));
    }
    assert_eq!(complaints(&all), [""; 0]);

    for (path, text, count) in [
        ("src/a.rs", "/// An error where it is no key.", 1),
        ("src/a.rs", "/// Names a thing.\n///\n/// Files that are no documents stay.", 1),
        ("src/a.rs", "/// None where there is no key; it is no longer used.", 0),
        ("src/a.rs", "/// It tells nothing.\nfn a() {}\n/// It was told that.", 2),
        ("src/a.rs", "/// How many bytes are needed to tell", 1),
        ("src/a.rs", "/// At the host's word only.", 1),
        ("src/a.rs", "//! A file on its way to its name.", 1),
        ("src/a.rs", "say(\"{path} is no document\");", 1),
        ("src/a.rs", "say(\"there is no document\");\nlet told = 1;", 0),
        ("src/a.rs", "say(\n\"a \\\n its length is told wrongly; \\\n\"", 1),
        ("src/a.rs", "// This is no matter.", 0),
        ("src/tests/a.rs", "/// It is no key, and tells that.", 0),
        ("crates/cli/src/args.rs", "/// Say that it was moved", 1),
        ("crates/cli/src/args/a.rs", "/// Show what holds\n///\n/// Let it be.", 1),
        ("crates/cli/src/a.rs", "/// Show what holds", 0),
    ] {
        assert_eq!(complaints(&one(path, text)).len(), count, "{path}: {text}");
    }
}
