//! Source files of fewer than 40 lines, each with the reason why it is a file of its own. Heads of modules, which
//! declare others, need none.

use super::{Sources, is_test, one, sources};

/// Lines from which on a file needs no reason.
const SHORT: usize = 40;

/// Short files and what they name that has no other place.
const REASONS: [(&str, &str); 27] = [
    ("crates/cli/src/commands/backends.rs", "one command a file"),
    ("crates/cli/src/commands/completions.rs", "one command a file"),
    (
        "crates/cli/src/output/sweep.rs",
        "what killed runs left is removed wherever files are read or written",
    ),
    ("crates/cli/src/pipe.rs", "pipes are enlarged on Linux alone"),
    ("crates/cli/src/platform/unix/owner.rs", "owners and groups, which Windows has otherwise"),
    ("crates/cli/src/stores.rs", "asked before a file is written, and before a passphrase is read"),
    ("crates/compare/src/peer/aws_lc.rs", "one peer a file"),
    ("crates/compare/src/peer/graviola.rs", "one peer a file"),
    ("crates/compare/src/peer/rind.rs", "one peer a file"),
    ("crates/compare/src/peer/ring.rs", "one peer a file"),
    ("crates/compare/src/peer/rscrypto.rs", "one peer a file"),
    ("crates/compare/src/peer/rustcrypto.rs", "one peer a file"),
    ("crates/compare/src/peer/strongroom.rs", "one peer a file"),
    ("crates/files/src/words.rs", "the words of every crate for the system's errors"),
    (
        "crates/keys/src/cache/loading.rs",
        "what passes between cache and loader, which do not know each other",
    ),
    (
        "crates/keys/src/testing/unwrapping.rs",
        "the only one of the test doubles that gives keys out",
    ),
    ("crates/vault/src/lock.rs", "below every file that shares memory"),
    ("src/arch/aarch64/memory.rs", "the only pointers of the tier"),
    ("src/arch/x86_64/barrier.rs", "a block of unsafe code with its proof"),
    ("src/arch/x86_64/message.rs", "what all tiers of the platform share of a message"),
    ("src/arch/x86_64/ifma/digits.rs", "shared by its two forms"),
    ("src/rsa/inner.rs", "compiled for the checks from outside alone"),
    ("src/arch/x86_64/reload.rs", "a block of unsafe code with its proof"),
    (
        "src/arch/x86_64/vaes256/vector.rs",
        "the table of names by which both wide tiers are written once",
    ),
    ("src/arch/x86_64/vaes512/tuning.rs", "the table of what differs between processors"),
    (
        "src/arch/x86_64/vaes512/vector.rs",
        "the table of names by which both wide tiers are written once",
    ),
    ("src/threads.rs", "asked on two floors, by chunks and by RSA"),
];

/// True for a file that declares modules.
fn is_head(text: &str) -> bool {
    let declares = |line: &str| {
        let line = line.strip_prefix("pub").map_or(line, |rest| {
            rest.trim_start_matches(|c: char| c == '(' || c == ')' || c.is_alphanumeric())
        });
        line.trim_start().starts_with("mod ") && line.ends_with(';')
    };
    text.lines().any(declares)
}

fn complaints(sources: &Sources, reasons: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let name = path.to_str().unwrap();
        let is_short = !is_test(path) && !is_head(text) && text.lines().count() < SHORT;
        let reason = reasons.iter().find(|(of, _)| *of == name);
        match reason {
            None if is_short => complaints.push(format!(
                "{name} has fewer than {SHORT} lines: put it where it belongs, or give the reason here"
            )),
            Some(_) if !is_short => complaints.push(format!("{name} is not short: take it out")),
            _ => {}
        }
    }
    let gone = reasons.iter().filter(|(name, _)| !sources.keys().any(|path| path.ends_with(name)));
    complaints.extend(gone.map(|(name, _)| format!("{name} is not there: take it out")));
    complaints
}

#[test]
fn a_short_file_has_a_reason() {
    let mut all = sources("src");
    all.extend(sources("crates"));
    all.retain(|path, _| path.components().any(|part| part.as_os_str() == "src"));
    assert_eq!(complaints(&all, &REASONS), [""; 0]);

    let short = one("src/a.rs", "fn a() {}\n");
    assert_eq!(complaints(&short, &[]).len(), 1);
    assert_eq!(complaints(&short, &[("src/a.rs", "a reason")]), [""; 0]);
    assert_eq!(complaints(&short, &[("src/b.rs", "a reason")]).len(), 2);
    for (path, text) in [
        ("src/a.rs", "mod b;\n"),
        ("src/a.rs", "pub(crate) mod b;\n"),
        ("src/a/tests.rs", "fn a() {}\n"),
        ("src/a.rs", &"// a line\n".repeat(SHORT)),
    ] {
        assert_eq!(complaints(&one(path, text), &[]), [""; 0], "{path}: {text}");
    }
    let long = one("src/a.rs", &"// a line\n".repeat(SHORT));
    assert_eq!(complaints(&long, &[("src/a.rs", "a reason")]).len(), 1);
}
