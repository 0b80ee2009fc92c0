//! The first lines of doc comments, which name a thing or an act: never a clause that begins with a question
//! word, and "is not a" in the place of "is no".

use std::collections::BTreeMap;
use std::path::Path;

use super::{Sources, one, sources};

/// First lines of each crate that still break the rule. A number here only falls.
const BUDGETS: [(&str, usize); 12] = [
    ("async", 0),
    ("cli", 0),
    ("compare", 0),
    ("files", 0),
    ("fuzz", 0),
    ("keys", 0),
    ("local-vault", 0),
    ("memcheck", 0),
    ("store", 0),
    ("store-013", 0),
    ("strongroom", 0),
    ("vault", 0),
];

/// Words that begin a clause, where a first line is to begin with a noun phrase or a verb.
const CLAUSE_WORDS: [&str; 17] = [
    "What",
    "Whatever",
    "Whether",
    "Who",
    "Whoever",
    "Whose",
    "Whom",
    "Why",
    "Where",
    "Wherever",
    "When",
    "Whenever",
    "How",
    "However",
    "Which",
    "Whichever",
    "That",
];

/// Denials that "is not a" and "are not" say more plainly.
const DENIALS: [&str; 2] = [" is no ", " are no "];

/// The crate that a file belongs to: a folder of `crates`, `fuzz`, or the engine with its tests.
fn crate_of(path: &Path) -> &str {
    let mut parts = path.iter().filter_map(|part| part.to_str());
    match parts.next() {
        Some("crates") => parts.next().unwrap_or("crates"),
        Some("fuzz") => "fuzz",
        _ => "strongroom",
    }
}

/// The text of a line of a doc comment.
fn documentation(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    (!text.starts_with('/')).then(|| text.trim())
}

fn breaks_the_rule(first_line: &str) -> bool {
    let word = first_line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    CLAUSE_WORDS.contains(&word) || DENIALS.iter().any(|denial| first_line.contains(denial))
}

/// The places of all first lines in `text` that break the rule.
fn broken(path: &Path, text: &str) -> Vec<String> {
    let mut places = Vec::new();
    let mut is_first = true;
    for (number, line) in (1..).zip(text.lines()) {
        let documentation = documentation(line);
        if let Some(first_line) = documentation.filter(|text| is_first && breaks_the_rule(text)) {
            places.push(format!("{}:{number}: {first_line}", path.display()));
        }
        is_first = documentation.is_none();
    }
    places
}

fn complaints(sources: &Sources, budgets: &[(&str, usize)]) -> Vec<String> {
    let mut found = BTreeMap::<&str, Vec<String>>::new();
    for (path, text) in sources {
        found.entry(crate_of(path)).or_default().extend(broken(path, text));
    }
    let mut complaints = Vec::new();
    for (name, places) in &found {
        let budget = budgets.iter().find(|(of, _)| of == name).map(|(_, budget)| *budget);
        let count = places.len();
        match budget {
            None => complaints.push(format!("{name} has no budget: write 0")),
            Some(budget) if count > budget => complaints.push(format!(
                "{name}: {count} first lines, {budget} allowed: say what the thing is, or what it does\n{}",
                places.join("\n")
            )),
            Some(budget) if count < budget => {
                complaints.push(format!("{name}: write {count} in the place of {budget}"));
            }
            Some(_) => {}
        }
    }
    for (name, _) in budgets.iter().filter(|(name, _)| !found.contains_key(name)) {
        complaints.push(format!("{name} has no sources: take it out"));
    }
    complaints
}

#[test]
fn first_lines_of_doc_comments_name_a_thing_or_an_act() {
    assert_eq!(complaints(&sources(""), &BUDGETS), Vec::<String>::new());

    for (text, count) in [
        ("/// What a caller knows beforehand.\nstruct Hints;", 1),
        ("//! Where each chunk lies: pure arithmetic.", 1),
        ("struct A {\n    /// Which.\n    b: u8,\n    /// How often.\n    c: u8,\n}", 2),
        ("/// The directory is no vault.", 1),
        ("/// Files that are no documents.", 1),
        ("/// Limits requests.\n/// What is above the limit waits.\n///\n/// Why: load.", 0),
        ("/// Whole blocks.\n#[test]\nfn that() {}", 0),
        ("// What is here.\n//// What is there.", 0),
        ("let source = \"/// What\";", 0),
    ] {
        assert_eq!(broken(Path::new("a.rs"), text).len(), count, "{text}");
    }
    for word in CLAUSE_WORDS {
        assert_eq!(broken(Path::new("a.rs"), &format!("/// {word}.")).len(), 1, "{word}");
    }

    let planted = one("crates/keys/src/a.rs", "/// Why.\nstruct A;\n/// What it is.\nstruct B;");
    let above = complaints(&planted, &[("keys", 1)]);
    assert!(above.concat().contains("\ncrates/keys/src/a.rs:3: What it is."), "{above:?}");
    assert_eq!(complaints(&planted, &[("keys", 2)]), [""; 0]);
    assert_eq!(complaints(&planted, &[("keys", 3)]), ["keys: write 2 in the place of 3"]);
    assert_eq!(complaints(&planted, &[("cli", 0)]).len(), 2);
    for (path, name) in [("src/gcm.rs", "strongroom"), ("fuzz/src/lib.rs", "fuzz")] {
        assert_eq!(complaints(&one(path, "/// What."), &[(name, 1)]), [""; 0], "{path}");
    }
}
