//! The floors of `crates/keys`, by file, and the calls from opening a document to the vault.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Sources, body, code, is_test, one, sources};

const SRC: &str = "crates/keys/src";

/// Folders that are one place in [`FLOORS`].
const FOLDERS: [&str; 4] = ["audit", "local_vault", "platform", "testing"];

/// The files and folders, lowest first: each with those that it uses, all of which stand before it.
const FLOORS: &[(&str, &[&str])] = &[
    ("cache/settings", &[]),
    ("hex", &[]),
    ("key_id", &[]),
    ("lock", &[]),
    ("offload", &[]),
    ("platform", &[]),
    ("state/error", &[]),
    ("time", &[]),
    ("clock", &["offload", "platform"]),
    ("file_system", &["platform"]),
    ("state/signed", &["hex", "state/error"]),
    ("state/store", &["state/error"]),
    ("vault/error", &["key_id"]),
    ("state/file", &["file_system", "offload", "platform", "state/error", "state/store"]),
    ("vault/description", &["key_id", "vault/error"]),
    ("state", &["state/error", "state/file", "state/signed", "state/store"]),
    ("vault", &["key_id", "vault/description", "vault/error"]),
    ("audit", &["clock", "lock", "offload", "platform", "vault"]),
    ("id", &["state"]),
    ("local_vault", &["audit", "clock", "file_system", "offload", "platform", "time", "vault"]),
    ("error", &["audit", "id", "state", "time", "vault"]),
    ("key_ring", &["error", "hex", "id", "vault"]),
    ("resource/host", &["error", "id", "vault"]),
    ("vault_client", &["audit", "clock", "error", "lock", "vault"]),
    ("cache/loading", &["error", "id", "key_ring"]),
    ("resource/record", &["audit", "error", "hex", "id", "key_ring", "vault"]),
    ("state_marks", &["audit", "error", "lock", "state", "vault", "vault_client"]),
    (
        "service_key",
        &["error", "hex", "key_ring", "lock", "state", "state_marks", "vault", "vault_client"],
    ),
    ("cache/entry", &["cache/loading", "cache/settings", "error", "key_ring", "lock", "vault"]),
    ("resource/host_time", &["audit", "clock", "error", "lock", "vault_client"]),
    ("resource/transition", &["error", "id", "key_ring", "resource/record", "vault"]),
    ("cache/lease", &["cache/entry", "cache/loading", "clock", "error"]),
    ("resource/pending", &["id", "lock", "resource/transition"]),
    (
        "cache",
        &[
            "cache/entry",
            "cache/lease",
            "cache/loading",
            "cache/settings",
            "clock",
            "error",
            "id",
            "key_ring",
            "lock",
        ],
    ),
    (
        "resource/repository",
        &[
            "audit",
            "clock",
            "error",
            "id",
            "key_ring",
            "lock",
            "resource/host",
            "resource/pending",
            "resource/record",
            "resource/transition",
            "service_key",
            "state",
            "state_marks",
            "vault",
            "vault_client",
        ],
    ),
    (
        "resource/config",
        &["audit", "cache", "clock", "resource/host", "state", "vault", "vault_client"],
    ),
    ("resource/leased", &["cache", "error"]),
    (
        "resource/loader",
        &[
            "cache",
            "error",
            "key_ring",
            "resource/host",
            "resource/record",
            "resource/repository",
            "state",
            "vault",
            "vault_client",
        ],
    ),
    (
        "resource/revoke",
        &[
            "cache",
            "error",
            "id",
            "resource/record",
            "resource/repository",
            "resource/transition",
            "vault",
        ],
    ),
    ("resource/opened", &["cache", "error", "resource/leased"]),
    (
        "resource/refresh",
        &[
            "cache",
            "error",
            "key_ring",
            "resource/host",
            "resource/loader",
            "resource/repository",
            "resource/revoke",
            "resource/transition",
        ],
    ),
    (
        "resource/resources",
        &[
            "audit",
            "cache",
            "error",
            "id",
            "key_ring",
            "resource/config",
            "resource/host",
            "resource/host_time",
            "resource/loader",
            "resource/record",
            "resource/refresh",
            "resource/repository",
            "resource/revoke",
            "service_key",
            "state_marks",
            "vault_client",
        ],
    ),
    (
        "resource/copies",
        &[
            "audit",
            "error",
            "id",
            "key_ring",
            "resource/config",
            "resource/loader",
            "resource/record",
            "resource/resources",
            "service_key",
            "state",
            "vault",
        ],
    ),
    (
        "resource/restore",
        &["error", "id", "resource/config", "resource/record", "resource/resources"],
    ),
    (
        "resource/cmk",
        &[
            "error",
            "id",
            "key_ring",
            "resource/record",
            "resource/repository",
            "resource/resources",
            "resource/transition",
            "vault",
            "vault_client",
        ],
    ),
    (
        "resource/documents",
        &[
            "cache",
            "error",
            "id",
            "key_ring",
            "resource/opened",
            "resource/record",
            "resource/repository",
            "resource/resources",
            "resource/transition",
        ],
    ),
    (
        "resource/coverage",
        &[
            "error",
            "id",
            "key_ring",
            "resource/documents",
            "resource/resources",
            "resource/transition",
        ],
    ),
    (
        "resource/expired",
        &["error", "id", "resource/documents", "resource/record", "resource/resources"],
    ),
    (
        "resource/lifecycle",
        &[
            "error",
            "id",
            "key_ring",
            "resource/loader",
            "resource/record",
            "resource/resources",
            "resource/revoke",
            "resource/transition",
            "state",
        ],
    ),
    (
        "resource/status",
        &["cache", "error", "id", "key_ring", "resource/record", "resource/resources"],
    ),
    (
        "resource/rotation",
        &[
            "error",
            "id",
            "key_ring",
            "resource/cmk",
            "resource/record",
            "resource/repository",
            "resource/resources",
            "resource/transition",
            "vault",
        ],
    ),
    (
        "resource",
        &[
            "audit",
            "error",
            "id",
            "resource/cmk",
            "resource/config",
            "resource/copies",
            "resource/documents",
            "resource/expired",
            "resource/host",
            "resource/opened",
            "resource/record",
            "resource/resources",
            "resource/restore",
            "resource/rotation",
            "resource/status",
            "vault_client",
        ],
    ),
    (
        "testing",
        &["audit", "clock", "error", "id", "key_ring", "lock", "resource", "state", "vault"],
    ),
];

/// The calls from the command's `open` to the vault: each function with its file and with how it calls the
/// next.
const CALLS: &[(&str, &str, &str)] = &[
    ("crates/cli/src/commands.rs", "run", "open::run("),
    ("crates/cli/src/commands/open.rs", "run", "opening.open("),
    ("crates/cli/src/commands/open.rs", "Opening::open", "sealed.unlock("),
    ("crates/cli/src/commands/sealed.rs", "Sealed::unlock", "keys.unlock("),
    ("crates/cli/src/commands/keys.rs", "Keys::unlock", "resources.opener("),
    ("crates/keys/src/resource/documents.rs", "Resources::opener", "self.opening_keys("),
    ("crates/keys/src/resource/documents.rs", "Resources::opening_keys", "self.keys_for("),
    ("crates/keys/src/resource/documents.rs", "Resources::keys_for", "self.open_keys("),
    ("crates/keys/src/resource/documents.rs", "Resources::open_keys", "self.refresher.lease("),
    ("crates/keys/src/resource/refresh.rs", "Refresher::lease", ".load(ticket)"),
    ("crates/keys/src/resource/refresh.rs", "Refresher::load", "load(repository, "),
    ("crates/keys/src/resource/loader.rs", "load", "unwrap_root("),
    ("crates/keys/src/resource/loader.rs", "unwrap_root", "client.unwrap("),
    ("crates/keys/src/vault_client.rs", "BoundClient<'_>::unwrap", "self.vault.unwrap("),
    (
        "crates/keys/src/local_vault/async_vault.rs",
        "Vault for IdentityVault::unwrap",
        "self.unwrap_batch(",
    ),
    (
        "crates/keys/src/local_vault/async_vault.rs",
        "Vault for IdentityVault::unwrap_batch",
        "store.unwrap(",
    ),
    ("crates/keys/src/local_vault/operations.rs", "Store::unwrap", "self.unwrap_now("),
    ("crates/keys/src/local_vault/operations.rs", "Store::unwrap_now", "key.unwrap_batch("),
];

/// Most calls from `open` to the vault.
const CALLS_CAP: usize = 18;

/// The place in [`FLOORS`] of a file: its path below `src` without the ending, or its folder.
fn place_of(path: &Path) -> Option<String> {
    let path = path.strip_prefix(SRC).ok()?.with_extension("");
    let top = path.components().next()?.as_os_str().to_str()?;
    Some(if FOLDERS.contains(&top) { top.to_owned() } else { path.to_str()?.to_owned() })
}

/// The first names of the items behind `crate::`, `super::` or `self::`: one, or those in braces.
fn names(rest: &str) -> Vec<&str> {
    let name = |item: &str| -> usize {
        item.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(item.len())
    };
    let Some(list) = rest.strip_prefix('{') else { return vec![&rest[..name(rest)]] };
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = list[start..at].trim();
                items.push(&item[..name(item)]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

/// The places that a file uses. `super::` and `self::` name files of its folder; items of the parent file
/// count as the parent.
fn uses(path: &Path, text: &str, places: &BTreeSet<String>) -> BTreeSet<String> {
    let Some(inside) = path.strip_prefix(SRC).ok().map(|path| path.with_extension("")) else {
        return BTreeSet::new();
    };
    let (mut used, code) = (BTreeSet::new(), code(text));
    for (prefix, base) in [
        ("crate::", Path::new("")),
        ("super::", inside.parent().unwrap_or(Path::new(""))),
        ("self::", inside.as_path()),
    ] {
        for (at, found) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            for name in names(&code[at + found.len()..]) {
                let full = base.join(name).to_string_lossy().replace('\\', "/"); // as in FLOORS
                let known = Path::new(&full)
                    .ancestors()
                    .filter_map(Path::to_str)
                    .find(|p| places.contains(*p));
                used.extend(known.map(str::to_owned));
            }
        }
    }
    used
}

fn floor_complaints(sources: &Sources, floors: &[(&str, &[&str])]) -> Vec<String> {
    let mut complaints = Vec::new();
    let places: BTreeSet<String> = floors.iter().map(|(place, _)| (*place).to_owned()).collect();
    let mut found = BTreeSet::new();
    for (path, text) in sources.iter().filter(|(path, _)| !is_test(path)) {
        let Some(place) = place_of(path).filter(|place| place != "lib") else { continue };
        let Some((_, allowed)) = floors.iter().find(|(from, _)| *from == place) else {
            complaints.push(format!("{}: {place} has no floor", path.display()));
            continue;
        };
        for used in uses(path, text, &places).into_iter().filter(|used| *used != place) {
            if !allowed.contains(&used.as_str()) {
                complaints.push(format!("{}: {place} may not use {used}", path.display()));
            }
            found.insert((place.clone(), used));
        }
    }
    for (at, (from, allowed)) in floors.iter().enumerate() {
        for to in *allowed {
            if !floors[..at].iter().any(|(below, _)| below == to) {
                complaints.push(format!("{from} is not above {to}"));
            }
            if !found.contains(&((*from).to_owned(), (*to).to_owned())) {
                complaints.push(format!("nothing in {from} uses {to}: take the edge out"));
            }
        }
    }
    complaints
}

fn call_complaints(sources: &Sources, calls: &[(&str, &str, &str)]) -> Vec<String> {
    let called = |(file, function, call): &&(&str, &str, &str)| {
        let body = sources.get(Path::new(file)).and_then(|text| body(text, function));
        !body.is_some_and(|body| body.contains(call))
    };
    let complaint = |(file, function, call)| format!("{file}: {function} does not call {call})");
    calls.iter().filter(called).copied().map(complaint).collect()
}

#[test]
fn keys_stand_on_floors_without_a_circle() {
    let complaints = floor_complaints(&sources(SRC), FLOORS);
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn an_upward_edge_and_a_circle_in_keys_are_found() {
    let floors: &[(&str, &[&str])] =
        &[("error", &[]), ("cache/entry", &["error"]), ("cache", &["cache/entry", "error"])];
    let with = |entry: &str| {
        let mut sources = one("crates/keys/src/cache/entry.rs", entry);
        let cache = "use self::entry::{A, B};\nuse crate::{error::Error};".to_owned();
        sources.insert("crates/keys/src/cache.rs".into(), cache);
        sources.insert("crates/keys/src/error.rs".into(), String::new());
        floor_complaints(&sources, floors)
    };
    assert_eq!(with("use crate::error::Error;"), Vec::<String>::new());
    for upward in ["use crate::cache::KeyCache;", "use super::KeyCache;", "fn f(a: super::A) {}"] {
        let complaints = with(&format!("use crate::error::Error;\n{upward}"));
        assert!(complaints[0].ends_with("cache/entry may not use cache"), "{complaints:?}");
    }
    assert_eq!(with("// nothing"), ["nothing in cache/entry uses error: take the edge out"]);

    // An edge that the table itself has upward is no floor, and a new file needs one.
    let circle: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a"])];
    let mut two = one("crates/keys/src/a.rs", "use crate::b::B;");
    two.insert("crates/keys/src/b.rs".into(), "use crate::a::A;".into());
    assert_eq!(floor_complaints(&two, circle), ["a is not above b"]);
    assert_eq!(floor_complaints(&one("crates/keys/src/new.rs", ""), &[]).len(), 1);

    // An upward edge in the real sources.
    let mut planted = sources(SRC);
    let entry = planted.get_mut(Path::new("crates/keys/src/cache/entry.rs")).unwrap();
    entry.insert_str(0, "use crate::resource::Resources;\n");
    let complaints = floor_complaints(&planted, FLOORS);
    assert!(complaints[0].ends_with("cache/entry may not use resource"), "{complaints:?}");
}

#[test]
fn open_reaches_the_vault_in_few_calls() {
    let mut all = sources(SRC);
    all.extend(sources("crates/cli/src"));
    assert_eq!(call_complaints(&all, CALLS), Vec::<String>::new());
    assert!(CALLS.len() <= CALLS_CAP, "{} calls", CALLS.len());

    let broken = one("a.rs", "impl A {\n    fn f(&self) {\n        g();\n    }\n}\n");
    assert_eq!(call_complaints(&broken, &[("a.rs", "A::f", "g(")]).len(), 0);
    assert_eq!(call_complaints(&broken, &[("a.rs", "A::f", "h(")]).len(), 1);
}

/// The promises that a table names tests for, which must be there: every `row_` test among them.
fn promise_complaints(documented: &str, tests: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    let (mut promises, mut named) = (0, BTreeSet::new());
    for line in documented.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let Some(Ok(number)) = cells.next().map(str::parse::<usize>) else { continue };
        promises += 1;
        if number != promises {
            complaints.push(format!("promise {number} stands in the place of {promises}"));
        }
        let kept_by: Vec<_> =
            cells.next_back().unwrap_or("").split('`').skip(1).step_by(2).collect();
        if kept_by.is_empty() {
            complaints.push(format!("no test keeps promise {number}"));
        }
        named.extend(kept_by);
    }
    let is_test = |name: &str| tests.values().any(|text| text.contains(&format!("fn {name}(")));
    complaints
        .extend(named.iter().filter(|name| !is_test(name)).map(|name| format!("no test {name}")));
    let rows = tests.values().flat_map(|text| text.split("fn row_").skip(1));
    for row in rows.filter_map(|rest| rest.split('(').next()) {
        if !named.contains(format!("row_{row}").as_str()) {
            complaints.push(format!("row_{row} is not in the table"));
        }
    }
    complaints
}

#[test]
fn each_promise_names_the_tests_that_keep_it() {
    let documented = std::fs::read_to_string(super::root().join("docs/promises.md")).unwrap();
    let mut tests = sources("crates/keys/tests");
    tests.extend(sources("crates/cli/tests"));
    tests.extend(sources("tests"));
    tests.remove(Path::new("tests/structure/keys.rs")); // it has names of tests in its own
    assert_eq!(promise_complaints(&documented, &tests), Vec::<String>::new());
    assert!(documented.contains("\n| 26 |"));

    let tests = one("a.rs", "fn row_01_a() {}\nfn b() {}");
    for (table, complaints) in [
        ("| 1 | p | `row_01_a`, `b` |", 0),
        ("| 1 | p | `row_01_a`, `c` |", 1),
        ("| 1 | p | `b` |", 1),
        ("| 2 | p | `row_01_a` |", 1),
        ("| 1 | p | none |", 2),
    ] {
        assert_eq!(promise_complaints(table, &tests).len(), complaints, "{table}");
    }
}
