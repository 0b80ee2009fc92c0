//! Every command of `docs/keys.md` is run, in order, and prints what the document says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::home::{Done, Home};

/// The reader's home directory in the document.
const READER: &str = "/home/you";

struct Command {
    chapter: String,
    line: String,
    output: String,
}

/// The commands of the `console` blocks, each with what stands below it.
fn commands(document: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let (mut chapter, mut inside) = (String::new(), false);
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut chapter);
        }
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push(Command {
                    chapter: chapter.clone(),
                    line: command.to_owned(),
                    output: String::new(),
                }),
                // Output belongs to the command above it.
                (None, last) => last.unwrap().output.extend([line, "\n"]),
            },
        }
    }
    commands
}

/// `text` without what is another in each run: times, ids, figures, the backend.
fn same_each_time(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (word, next) = rest.split_at(length);
        let stem = word.trim_matches(['.', ':']);
        let is_hex = stem.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = stem.len() == 20 && stem.ends_with('Z') && stem.contains('T');
        let is_figure = stem.contains('.') && stem.parse::<f64>().is_ok();
        let is_head = stem.len() > 65 && stem.contains(':') && !stem.contains('-');
        if (is_hex && matches!(stem.len(), 16 | 32 | 64)) || is_time || is_figure || is_head {
            left.push_str(&word.replacen(stem, "#", 1));
        } else if let Some(time) = compact_time(stem) {
            left.push_str(&word.replacen(time, "#", 1));
        } else {
            left.push_str(word);
        }
        rest = next;
    }
    while let Some(start) = left.find("(backend ") {
        let end = start + left[start..].find(')').unwrap();
        left.replace_range(start..=end, "(#)");
    }
    left
}

/// The time that the name of a file ends with, as `20261124T013510Z`.
fn compact_time(name: &str) -> Option<&str> {
    let time = name.get(name.len().checked_sub(16)?..)?;
    let (date, rest) = time.split_at_checked(8)?;
    let of_day = rest.strip_prefix('T')?.strip_suffix('Z')?;
    [date, of_day].concat().bytes().all(|byte| byte.is_ascii_digit()).then_some(time)
}

/// The ids of versions of keys in `text`, in order.
fn versions(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The id that each version in the document has in this run.
#[derive(Default)]
struct Versions(BTreeMap<String, String>);

impl Versions {
    /// Learns from an `output` of the document and what was printed. A version is the same one wherever the
    /// document names it.
    fn learn(&mut self, output: &str, printed: &str) {
        for (documented, id) in versions(output).zip(versions(printed)) {
            let known = self.0.entry(documented.to_owned()).or_insert_with(|| id.to_owned());
            assert_eq!(known, id, "the version {documented} of the document");
        }
        let ids: BTreeSet<&String> = self.0.values().collect();
        assert_eq!(ids.len(), self.0.len(), "two versions of the document are one here");
    }

    /// `line` with what a reader would write where it names a version by the beginning of its id.
    fn typed(&self, line: &str) -> String {
        let typed = line.split(' ').map(|word| {
            let known = self.0.iter().find(|(documented, _)| documented.starts_with(word));
            match known.filter(|_| word.len() >= 8) {
                Some((_, id)) => &id[..word.len()],
                None => word,
            }
        });
        typed.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn every_chapter_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/keys.md");
    let commands = commands(&fs::read_to_string(path).unwrap());
    for chapter in [
        "You turn on your own key",
        "You move old documents under your key",
        "You rotate it",
        "You bring a key of your own",
        "You revoke it",
        "Your vault is down",
        "You delete a response",
        "You back up and restore",
        "You lost a vault",
    ] {
        let count = commands.iter().filter(|command| command.chapter == chapter).count();
        assert!(count >= 3, "the chapter {chapter:?} shows {count} commands");
    }
    let home = Home::new();
    let brought = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/imported/pkcs8.pem");
    fs::copy(brought, home.path("mine.pem")).unwrap();
    let at = home.work().parent().unwrap().canonicalize().unwrap();
    let mut known = Versions::default();
    for Command { chapter, line, output } in commands {
        let typed = known.typed(&line);
        let run = match typed.strip_prefix("strongroom ") {
            Some(args) => format!("\"$0\" {args} 2>&1"),
            None => format!("{typed} 2>&1"),
        };
        let done = Done::of(&home.shell(&run).output().unwrap());
        let text = done.text().replace(at.to_str().unwrap(), READER);
        assert_eq!(same_each_time(&text), same_each_time(&output), "{chapter}: {line}");
        known.learn(&output, &text);
        let failed = output.lines().any(|line| line.starts_with("error: "));
        assert_eq!(done.code, Some(i32::from(failed)), "{chapter}: {line}");
    }
}

#[test]
fn what_differs_is_left_out_and_nothing_else() {
    let text =
        "local/0123456789abcdef/k/1 since 2026-11-24T01:31:39Z: 6 bytes in 0.001 s (backend x, 2)";
    assert_eq!(same_each_time(text), "local/#/k/1 since #: 6 bytes in # s (#)");
    assert_eq!(same_each_time("-o b-20261124T013510Z --x"), "-o b-# --x");
    assert_ne!(same_each_time("key a/1"), same_each_time("key a/2"));
    let (documented, here) = ("ab".repeat(16), "cd".repeat(16));
    let mut known = Versions::default();
    known.learn(&format!("k/{documented} seals"), &format!("k/{here} seals"));
    assert_eq!(known.typed("x --key-version abababab y"), "x --key-version cdcdcdcd y");
    assert_eq!(known.typed("x --key-version abab y"), "x --key-version abab y");
    let parsed = commands("## A\n```console\n$ one\nout\n$ two\n```\nno\n");
    assert_eq!(parsed.len(), 2);
    assert_eq!((&*parsed[0].line, &*parsed[0].output, &*parsed[1].chapter), ("one", "out\n", "A"));
}
