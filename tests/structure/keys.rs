//! The floors of `crates/vault` and `crates/keys`, by file, and the calls from opening a document to the vault.

use std::collections::BTreeSet;
use std::path::Path;

use super::floors::House;
use super::{Sources, body, one, sources};

/// The files of `crates/vault`, and a folder, lowest first.
const VAULT: House<'_> = House {
    src: "crates/vault/src",
    folders: &["audit"],
    floors: &[
        ("hex", &[]),
        ("jwk", &[]),
        ("key_id", &[]),
        ("lock", &[]),
        ("mac", &[]),
        ("offload", &[]),
        ("clock", &["offload"]),
        ("error", &["key_id"]),
        ("description", &["error", "key_id"]),
        ("audit", &["clock", "hex", "lock", "mac", "offload"]),
    ],
};

/// The files of `crates/keys`, and a folder, lowest first: each with those that it uses, all of which stand before it.
const KEYS: House<'_> =
    House { src: "crates/keys/src", folders: &["testing"], floors: KEYS_FLOORS };

const KEYS_FLOORS: &[(&str, &[&str])] = &[
    ("cache/settings", &[]),
    ("state/error", &[]),
    ("time", &[]),
    ("state/signed", &["state/error"]),
    ("state/store", &["state/error"]),
    ("state/file", &["state/error", "state/store"]),
    ("state", &["state/error", "state/file", "state/signed", "state/store"]),
    ("id", &["state"]),
    ("error", &["id", "state", "time"]),
    ("key_ring", &["error", "id"]),
    ("resource/host", &["error", "id"]),
    ("vault_client", &["error"]),
    ("cache/loading", &["error", "id", "key_ring"]),
    ("resource/record", &["error", "id", "key_ring"]),
    ("state_marks", &["error", "state", "vault_client"]),
    ("service_key", &["error", "key_ring", "state", "state_marks", "vault_client"]),
    ("cache/entry", &["cache/loading", "cache/settings", "error", "key_ring"]),
    ("resource/locations", &[]),
    ("resource/host_time", &["error", "vault_client"]),
    ("resource/transition", &["error", "id", "key_ring", "resource/record"]),
    ("cache/lease", &["cache/entry", "cache/loading", "error"]),
    ("resource/pending", &["id", "resource/transition"]),
    (
        "cache",
        &[
            "cache/entry",
            "cache/lease",
            "cache/loading",
            "cache/settings",
            "error",
            "id",
            "key_ring",
        ],
    ),
    (
        "resource/repository",
        &[
            "error",
            "id",
            "key_ring",
            "resource/host",
            "resource/pending",
            "resource/record",
            "resource/transition",
            "service_key",
            "state",
            "state_marks",
            "vault_client",
        ],
    ),
    (
        "resource/withdrawals",
        &["error", "id", "resource/record", "resource/repository", "resource/transition", "state"],
    ),
    ("resource/config", &["cache", "resource/host", "state", "vault_client"]),
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
            "vault_client",
        ],
    ),
    (
        "resource/revoke",
        &["cache", "error", "id", "resource/record", "resource/repository", "resource/transition"],
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
            "error",
            "id",
            "key_ring",
            "resource/config",
            "resource/loader",
            "resource/record",
            "resource/resources",
            "service_key",
            "state",
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
        ],
    ),
    (
        "resource",
        &[
            "error",
            "id",
            "resource/cmk",
            "resource/config",
            "resource/copies",
            "resource/documents",
            "resource/expired",
            "resource/host",
            "resource/opened",
            "resource/locations",
            "resource/record",
            "resource/resources",
            "resource/restore",
            "resource/rotation",
            "resource/status",
            "vault_client",
        ],
    ),
    ("testing", &["error", "id", "key_ring", "resource", "state"]),
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
        "crates/local-vault/src/async_vault.rs",
        "Vault for IdentityVault::unwrap",
        "self.unwrap_batch(",
    ),
    (
        "crates/local-vault/src/async_vault.rs",
        "Vault for IdentityVault::unwrap_batch",
        "store.unwrap(",
    ),
    ("crates/local-vault/src/operations.rs", "Store::unwrap", "self.unwrap_now("),
    ("crates/local-vault/src/operations.rs", "Store::unwrap_now", "unwrap(&key)"),
];

/// Most calls from `open` to the vault.
const CALLS_CAP: usize = 18;

fn call_complaints(sources: &Sources, calls: &[(&str, &str, &str)]) -> Vec<String> {
    let called = |(file, function, call): &&(&str, &str, &str)| {
        let body = sources.get(Path::new(file)).and_then(|text| body(text, function));
        !body.is_some_and(|body| body.contains(call))
    };
    let complaint = |(file, function, call)| format!("{file}: {function} does not call {call})");
    calls.iter().filter(called).copied().map(complaint).collect()
}

#[test]
fn vault_and_keys_stand_on_floors_without_a_circle() {
    for house in [VAULT, KEYS] {
        assert_eq!(house.complaints(&sources(house.src)), Vec::<String>::new());
    }
}

#[test]
fn an_upward_edge_in_the_real_sources_is_found() {
    let mut planted = sources(KEYS.src);
    let entry = planted.get_mut(Path::new("crates/keys/src/cache/entry.rs")).unwrap();
    entry.insert_str(0, "use crate::resource::Resources;\n");
    let complaints = KEYS.complaints(&planted);
    assert!(complaints[0].ends_with("cache/entry may not use resource"), "{complaints:?}");
}

#[test]
fn open_reaches_the_vault_in_few_calls() {
    let mut all = sources(KEYS.src);
    all.extend(sources("crates/cli/src"));
    all.extend(sources("crates/local-vault/src"));
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
    tests.extend(sources("crates/local-vault/tests"));
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
