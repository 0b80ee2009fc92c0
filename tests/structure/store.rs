//! The floors of `crates/store`, by file.

use std::fs;
use std::path::Path;

use super::floors::House;
use super::{root, sources};

/// The files of `crates/store`, lowest first: each with those that it uses, all of which stand before it.
const STORE: House<'_> = House { src: "crates/store/src", folders: &[], floors: FLOORS };

const FLOORS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("stats", &[]),
    ("placement", &[]),
    ("budget", &[]),
    ("settings", &["error"]),
    ("names", &["error"]),
    ("states", &["names"]),
    ("object", &["error"]),
    ("headers", &["object"]),
    ("manifest", &["error", "names"]),
    (
        "shared",
        &["budget", "error", "headers", "manifest", "names", "placement", "settings", "stats"],
    ),
    ("payload", &["error"]),
    ("fetch", &["error", "manifest", "object", "payload", "shared"]),
    ("opened", &["error", "fetch", "object", "shared"]),
    ("get", &["fetch", "manifest", "object", "opened", "payload", "shared"]),
    ("ranges", &["error", "fetch", "object", "shared"]),
    ("sealing", &["error", "manifest", "shared"]),
    ("upload", &["budget", "error", "manifest", "shared"]),
    ("put", &["error", "shared", "upload"]),
    ("list", &["names", "shared"]),
    ("copy", &["error", "get", "object", "put", "shared", "upload"]),
    ("store", &["copy", "get", "list", "names", "put", "ranges", "shared", "stats", "upload"]),
    ("config", &["error", "manifest", "placement", "settings", "shared", "store"]),
];

#[test]
fn the_store_stands_on_floors_without_a_circle() {
    let sources = sources(STORE.src);
    assert_eq!(STORE.complaints(&sources), Vec::<String>::new());
    for (file, upward, words) in [
        ("object", "use crate::fetch::Found;\n", "object may not use fetch"),
        ("upload", "use crate::put::put_opts;\n", "upload may not use put"),
    ] {
        let mut planted = sources.clone();
        let path = format!("{}/{file}.rs", STORE.src);
        planted.get_mut(Path::new(&path)).unwrap().insert_str(0, upward);
        let complaints = STORE.complaints(&planted);
        assert!(complaints.iter().any(|one| one.ends_with(words)), "{complaints:?}");
    }
}

/// Both packages have one source and the same tests, and differ in what they must.
#[test]
fn both_lines_of_object_store_have_one_source() {
    let read = |path: &str| fs::read_to_string(root().join("crates").join(path)).unwrap();
    for folder in ["src", "tests"] {
        let link = fs::read_link(root().join("crates/store-013").join(folder)).unwrap();
        assert_eq!(link, Path::new("../store").join(folder));
    }
    let (newer, older) = (read("store/Cargo.toml"), read("store-013/Cargo.toml"));
    let lines = |text: &str| -> Vec<String> {
        let name = text.find("[lib]").zip(text.find("[features]"));
        let text = name.map_or(text.to_owned(), |(from, to)| text[..from].to_owned() + &text[to..]);
        text.lines().map(str::to_owned).collect()
    };
    let differ: Vec<_> = lines(&newer)
        .into_iter()
        .zip(lines(&older))
        .filter(|(newer, older)| newer != older)
        .map(|(newer, _)| newer)
        .collect();
    let is_expected = |line: &String| {
        ["name = ", "description = ", "object_store = "].iter().any(|one| line.starts_with(one))
    };
    assert!(differ.len() == 4 && differ.iter().all(is_expected), "{differ:#?}");
}
