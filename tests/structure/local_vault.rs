//! The floors of `crates/local-vault`, by file.

use std::path::Path;

use super::floors::House;
use super::sources;

/// The files of `crates/local-vault`, lowest first: each with those that it uses, all of which stand before it.
const LOCAL_VAULT: House<'_> =
    House { src: "crates/local-vault/src", folders: &[], floors: FLOORS };

const FLOORS: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("error", &["id"]),
    ("key_id", &["error", "id"]),
    ("options", &["error", "id"]),
    ("disk", &["error"]),
    ("files", &["disk", "error", "options"]),
    ("keyring", &["error", "id", "options"]),
    ("json_file", &["error", "files", "keyring"]),
    ("trail", &["error", "keyring", "options"]),
    ("attributes", &["error", "id", "json_file", "keyring", "options"]),
    ("manifest", &["error", "files", "id", "json_file", "keyring", "options", "trail"]),
    (
        "store",
        &[
            "attributes",
            "error",
            "files",
            "id",
            "key_id",
            "keyring",
            "manifest",
            "options",
            "trail",
        ],
    ),
    ("identities", &["error", "id", "json_file", "keyring", "store"]),
    ("leftovers", &["attributes", "error", "files", "identities", "store"]),
    ("record", &["error", "key_id", "store"]),
    ("locked", &["attributes", "disk", "error", "files", "manifest", "record", "store"]),
    (
        "vault",
        &[
            "disk", "error", "files", "id", "keyring", "manifest", "options", "record", "store",
            "trail",
        ],
    ),
    ("audit", &["error", "vault"]),
    ("listing", &["attributes", "error", "id", "key_id", "options", "store", "vault"]),
    (
        "lifecycle",
        &[
            "attributes",
            "error",
            "files",
            "id",
            "key_id",
            "listing",
            "locked",
            "manifest",
            "options",
            "record",
            "store",
            "vault",
        ],
    ),
    (
        "operations",
        &[
            "attributes",
            "error",
            "identities",
            "key_id",
            "manifest",
            "options",
            "record",
            "store",
            "vault",
        ],
    ),
    ("async_vault", &["error", "key_id", "record", "store", "vault"]),
    ("settings", &["error", "files", "identities", "key_id", "record", "vault"]),
    (
        "backup",
        &[
            "attributes",
            "error",
            "files",
            "json_file",
            "key_id",
            "lifecycle",
            "record",
            "store",
            "vault",
        ],
    ),
    (
        "copy",
        &[
            "attributes",
            "disk",
            "error",
            "files",
            "identities",
            "json_file",
            "manifest",
            "store",
            "trail",
            "vault",
        ],
    ),
    (
        "conversion",
        &[
            "attributes",
            "error",
            "files",
            "identities",
            "key_id",
            "keyring",
            "locked",
            "manifest",
            "options",
            "record",
            "store",
            "trail",
            "vault",
        ],
    ),
];

#[test]
fn the_local_vault_stands_on_floors_without_a_circle() {
    let sources = sources(LOCAL_VAULT.src);
    assert_eq!(LOCAL_VAULT.complaints(&sources), Vec::<String>::new());
    // The circles that it had.
    for (file, upward, words) in [
        ("error", "use super::manifest::FORMAT;\n", "error may not use manifest"),
        ("id", "use super::error::LocalVaultError;\n", "id may not use error"),
        ("trail", "use super::store::Store;\n", "trail may not use store"),
    ] {
        let mut planted = sources.clone();
        let path = format!("{}/{file}.rs", LOCAL_VAULT.src);
        planted.get_mut(Path::new(&path)).unwrap().insert_str(0, upward);
        let complaints = LOCAL_VAULT.complaints(&planted);
        assert!(complaints.iter().any(|one| one.ends_with(words)), "{complaints:?}");
    }
}
