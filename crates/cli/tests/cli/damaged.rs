//! A walk through the damage that hands can do: each file of a home, of a customer's vault and of a backup, damaged in
//! each of several ways, under each command that reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::home::{Done, Home, contents, copy_dir, set_mode};

/// The names of the stores have what would command a terminal, or end a line.
const HOME: &str = "h\n\x1b[31m";
const VAULT: &str = "c\r\x07";
const BACKUP: &str = "b\t\u{9b}";

/// A way to damage a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Emptied,
    Halved,
    NotText,
    Removed,
    /// A directory in its place, or a file in that of a directory.
    Directory,
    Pipe,
    LeadsNowhere,
    LeadsInCircles,
    Exposed,
    StrayBeside,
}

const DAMAGES: [Damage; 10] = [
    Damage::Emptied,
    Damage::Halved,
    Damage::NotText,
    Damage::Removed,
    Damage::Directory,
    Damage::Pipe,
    Damage::LeadsNowhere,
    Damage::LeadsInCircles,
    Damage::Exposed,
    Damage::StrayBeside,
];

impl Damage {
    /// True where it is one of a directory as well.
    fn is_of_directories(self) -> bool {
        !matches!(self, Self::Halved | Self::NotText)
    }

    fn do_to(self, path: &Path) {
        let is_directory = path.is_dir();
        match self {
            Self::Exposed => return set_mode(path, if is_directory { 0o777 } else { 0o666 }),
            Self::StrayBeside => {
                return fs::write(path.with_file_name("a\nb\x1b[0m"), b"x").unwrap();
            }
            Self::Emptied if !is_directory => return fs::write(path, b"").unwrap(),
            Self::Halved => {
                let length = fs::metadata(path).unwrap().len();
                return File::options()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .set_len(length / 2)
                    .unwrap();
            }
            Self::NotText => return fs::write(path, b"{\"format\":\xff\xfe}").unwrap(),
            _ if is_directory => fs::remove_dir_all(path).unwrap(),
            _ => fs::remove_file(path).unwrap(),
        }
        match self {
            Self::Emptied => {
                fs::create_dir(path).unwrap();
                set_mode(path, 0o700);
            }
            Self::Directory if is_directory => fs::write(path, b"a file").unwrap(),
            Self::Directory => fs::create_dir(path).unwrap(),
            Self::Pipe => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
            Self::LeadsNowhere => symlink("nothing\nhere", path).unwrap(),
            Self::LeadsInCircles => symlink(path.file_name().unwrap(), path).unwrap(),
            _ => {}
        }
    }
}

/// A command of the walk: its words, and the stores that it reads.
struct Step {
    line: &'static [&'static str],
    reads: &'static [&'static str],
}

const STEPS: [Step; 9] = [
    Step { line: &["resource", "status", "r", "--home", HOME], reads: &[HOME, VAULT] },
    Step { line: &["open", "doc", "-o", "-", "--home", HOME], reads: &[HOME, VAULT] },
    Step { line: &["audit", "verify", "--home", HOME], reads: &[HOME] },
    Step { line: &["service", "backup", "-o", "out", "--home", HOME], reads: &[HOME] },
    Step { line: &["service", "restore", "--from", BACKUP, "--home", HOME], reads: &[HOME] },
    Step { line: &["service", "restore", "--from", BACKUP, "--home", "new"], reads: &[BACKUP] },
    Step { line: &["vault", "list", "--vault", VAULT], reads: &[VAULT] },
    Step { line: &["vault", "show", "k", "--vault", VAULT], reads: &[VAULT] },
    Step { line: &["vault", "audit", "--verify", "--vault", VAULT], reads: &[VAULT] },
];

/// A service with a document under a customer's key, and a backup of it.
fn scene() -> Home {
    let home = Home::new();
    home.write("plain", b"text");
    for line in [
        &["service", "init", "--home", HOME][..],
        &["resource", "create", "r", "--tenant", "t", "--region", "e", "--home", HOME],
        &[
            "vault",
            "init",
            "--vault",
            VAULT,
            "--purge-protection",
            "--tenant",
            "t",
            "--region",
            "e",
        ],
        &["vault", "create", "k", "--vault", VAULT],
        &["vault", "grant", "service", "--vault", VAULT],
        &["resource", "enable-cmk", "r", "--vault", VAULT, "--key", "k", "--home", HOME],
        &["seal", "plain", "--resource", "r", "--home", HOME, "-o", "doc"],
        &["service", "backup", "-o", BACKUP, "--home", HOME],
    ] {
        home.run(line).succeeds();
    }
    for store in [HOME, VAULT, BACKUP] {
        copy_dir(&home.path(store), &home.path(&format!("{store}-whole")));
    }
    home
}

/// Runs the command, which must end by itself.
fn ended(home: &Home, line: &[&str]) -> Done {
    let mut command = home.command(line);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        let hangs = started.elapsed() > Duration::from_secs(60);
        if hangs {
            child.kill().unwrap();
        }
        assert!(!hangs, "{line:?} hangs");
        thread::sleep(Duration::from_millis(2));
    }
    Done::of(&child.wait_with_output().unwrap())
}

/// True where `line` needs the file `inside` of `store`, and must not do without it.
fn needs(line: &[&str], store: &str, inside: &str) -> bool {
    let command = line[..2].join(" ");
    let is_newest = inside.ends_with("2.state");
    match (store, &*command) {
        // What is left of the home counts, and the rest comes from the backup.
        (HOME, "service restore") | (VAULT, "resource status") => false,
        (HOME, _) if ["home.json", "audit.key", "vault/vault.json"].contains(&inside) => true,
        (HOME, _) if inside.starts_with("vault/keys/audit/") => true,
        (HOME, "audit verify") => inside == "audit.jsonl",
        (HOME, "resource status") => is_newest || inside.starts_with("vault/keys/service/"),
        (HOME, _) => {
            is_newest || inside.starts_with("vault/keys/service/") || inside == "audit.jsonl"
        }
        (VAULT, "open doc") => inside != "audit.jsonl" && !inside.ends_with(".pub.pem"),
        (VAULT, "vault audit") => inside == "vault.json",
        (VAULT, _) => inside == "vault.json" || inside.ends_with("attributes.json"),
        _ => true,
    }
}

/// The part of a sentence that begins with what to do.
fn has_next_step(sentence: &str) -> bool {
    const VERBS: [&str; 14] = [
        "bring", "check", "choose", "close", "enable", "find", "give", "make", "mount", "move",
        "name", "put", "restore", "use",
    ];
    let parts = sentence.split(['\n', ';', ':', ',']).map(str::trim_start);
    let mut first = parts.filter_map(|part| part.split(' ').next());
    sentence.contains("with: ") || first.any(|word| VERBS.contains(&word))
}

/// True where a shell, and the program, take the command that `sentence` ends with.
fn has_good_command(home: &Home, sentence: &str, checked: &Mutex<BTreeSet<String>>) -> bool {
    let Some((_, command)) = sentence.trim_end().rsplit_once("with: ") else { return true };
    if !checked.lock().unwrap().insert(command.to_owned()) {
        return true;
    }
    let none = "cp() { :; }; mv() { :; }; chmod() { :; };";
    let line =
        format!("strongroom() {{ \"$0\" \"$1\" \"$2\" --help >/dev/null; }}; {none} {command}");
    Done::of(&home.shell(&line).output().unwrap()).code == Some(0)
}

/// True where `sentence` names the file `inside` of a store, or what it is of.
fn names(sentence: &str, inside: &str) -> bool {
    let sentence = sentence.replace(std::path::MAIN_SEPARATOR, "/");
    let in_states = inside.strip_prefix("state/").unwrap_or_default();
    let what = match inside {
        "home.json" => &["there is no service's home at "][..],
        "backup.json" => &["there is no backup at "],
        "identities.json" => &["the identity is disabled or not known"],
        "vault" | "vault/vault.json" => &["lacks its own vault"],
        // One that is not there looks as one that never was.
        "keys" | "keys/k" | "vault/keys/service" => &["the key is not there", "has no key \"k\""],
        "vault/keys" => &["vault/keys/audit"],
        "state" | "state/r" => &["no key for doc in the service's home", "all states of r"],
        _ if !in_states.is_empty() => &[],
        _ => &["there is no vault at "],
    };
    let name = in_states.split('/').next().unwrap_or_default();
    let of_state = format!("the state of {name:?} went back");
    let all = [&[inside, &*of_state][..], what].concat();
    all.iter().any(|words| sentence.contains(words))
}

/// Damages the file `inside` of `store` and runs the command of `step`. What is wrong with what it did, and if it was refused.
fn damaged(
    home: &Home,
    (store, inside, files): &(&str, String, Vec<String>),
    damage: Damage,
    step: &Step,
    checked: &Mutex<BTreeSet<String>>,
) -> (Vec<String>, bool) {
    damage.do_to(&home.path(store).join(inside));
    let done = ended(home, step.line);
    let is_needed = needs(step.line, store, inside) && files.is_empty()
        || files.iter().any(|file| needs(step.line, store, file));
    let said = done.stderr.lines().last().unwrap_or_default();
    let is_control = |c: char| c.is_control() && c != '\n';
    let mut found = vec![
        ("commands the terminal", format!("{}{}", done.text(), done.stderr).contains(is_control)),
        ("panics", done.stderr.contains("panicked")),
    ];
    if done.code == Some(0) {
        // A key without any file looks as one that never was.
        let is_gone = step.line[1] == "list" && inside.starts_with("keys") && !files.is_empty();
        let is_harmless = matches!(damage, Damage::Exposed | Damage::StrayBeside)
            || is_gone && damage == Damage::Emptied
            || is_gone && damage == Damage::Removed && inside != "keys";
        found.push(("does without what it needs", is_needed && !is_harmless));
        found.push(("opens another text", step.line[0] == "open" && done.stdout != b"text"));
    } else {
        let is_one = said.starts_with("error: ") && done.stderr.matches("error: ").count() == 1;
        // A backup of what is left is made.
        let is_made = step.line[1] == "backup" && done.code == Some(3);
        found.push(("ends in another way", done.code != Some(1) && !is_made));
        found.push(("says more or less than one sentence", !is_one));
        found.push(("tells a number of the system", said.contains("os error")));
        found.push(("tells no next step", !has_next_step(said)));
        found.push(("names no file", is_needed && !names(said, inside)));
        found.push(("has a bad command", !has_good_command(home, said, checked)));
    }
    let told =
        |what| format!("{store:?} {inside} {damage:?}: {:?} {what}: {}", step.line, done.stderr);
    let found = found.into_iter().filter(|(_, is_wrong)| *is_wrong);
    (found.map(|(what, _)| told(what)).collect(), done.code != Some(0))
}

/// The files and directories of the stores, each with the store that it is in, and the files in a directory.
fn places(home: &Home) -> Vec<(&'static str, String, Vec<String>)> {
    let mut found = Vec::new();
    for store in [HOME, VAULT, BACKUP] {
        let mut inside = BTreeMap::<String, Vec<String>>::new();
        for (path, _) in contents(&home.path(store)) {
            let file = path.strip_prefix(home.path(store)).unwrap().to_str().unwrap();
            for (at, _) in file.match_indices('/') {
                inside.entry(file[..at].to_owned()).or_default().push(file.to_owned());
            }
            inside.insert(file.to_owned(), Vec::new());
        }
        found.extend(inside.into_iter().map(|(place, files)| (store, place, files)));
    }
    // Ids are others in each scene, and the order is the same in all.
    let part = |part: &str| if part.len() == 32 { "ID".to_owned() } else { part.to_owned() };
    found.sort_by_cached_key(|(store, place, _)| {
        (*store, place.split(['/', '.']).map(part).collect::<Vec<_>>())
    });
    found
}

/// The number of steps of which one is taken: 3, or 1 where the environment asks for the whole walk.
fn stride() -> usize {
    if std::env::var_os("STRONGROOM_WHOLE_WALK").is_some() { 1 } else { 3 }
}

#[test]
fn every_damaged_file_is_told_of_in_one_sentence_with_a_next_step() {
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (checked, complaints) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        // Most of the time goes to the disk.
        for _ in 0..8 {
            scope.spawn(|| {
                let home = scene();
                let places = places(&home);
                let walk = places.iter().flat_map(|place| DAMAGES.map(|damage| (place, damage)));
                let walk: Vec<_> = walk
                    .filter(|((_, _, files), damage)| {
                        files.is_empty() || damage.is_of_directories()
                    })
                    .flat_map(|(place, damage)| STEPS.iter().map(move |step| (place, damage, step)))
                    .filter(|(place, _, step)| step.reads.contains(&place.0))
                    .step_by(stride())
                    .collect();
                while let Some(&(place, damage, step)) =
                    walk.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let (wrong, is_refused) = damaged(&home, place, damage, step, &checked);
                    complaints.lock().unwrap().extend(wrong);
                    refused.fetch_add(usize::from(is_refused), Ordering::Relaxed);
                    put_back(&home, step.reads);
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let (refused, checked) = (refused.into_inner(), checked.into_inner().unwrap().len());
    let (least_refused, least_checked) = (500 / stride(), 40 / stride());
    assert!(
        refused > least_refused && checked > least_checked,
        "{refused} were refused, with {checked} commands"
    );
}

/// Removes what a command made or damaged, and puts the whole stores in their places.
fn put_back(home: &Home, stores: &[&str]) {
    for name in home.names() {
        let is_store = stores.iter().chain(&["out", "new"]).any(|one| name.starts_with(one));
        if is_store && !name.ends_with("-whole") {
            fs::remove_dir_all(home.path(&name)).unwrap();
        }
    }
    for store in stores {
        copy_dir(&home.path(&format!("{store}-whole")), &home.path(store));
    }
}
