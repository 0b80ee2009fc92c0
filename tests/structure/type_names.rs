//! Names of types a crate has: each is one more that a newcomer must learn.

use super::{Sources, is_test, one, sources};

/// Most names of types in the sources of a crate, its tests aside.
const CAPS: [(&str, usize); 1] = [("crates/keys/src", 129)];

/// The number of types and aliases that `sources` name outside of functions and `impl` blocks.
fn count(sources: &Sources) -> usize {
    let names_one = |line: &&str| {
        let line = line.strip_prefix("pub").map_or(*line, |rest| {
            let scope = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            scope.map_or(rest, |(_, rest)| rest).trim_start()
        });
        ["struct ", "enum ", "union ", "trait ", "type "].iter().any(|kind| line.starts_with(kind))
    };
    let files = sources.iter().filter(|(path, _)| !is_test(path));
    files.map(|(_, text)| text.lines().filter(names_one).count()).sum()
}

#[test]
fn a_crate_has_few_names_of_types() {
    for (src, cap) in CAPS {
        let found = count(&sources(src));
        assert!(found <= cap, "{src} names {found} types, and {cap} is the most: put two into one");
    }
    let named =
        "pub struct A;\npub(crate) enum B {}\ntype C = A;\nimpl A {\n    type D = A;\n}\nfn f() {}";
    assert_eq!(count(&one("a.rs", named)), 3);
    assert_eq!(count(&one("tests/a.rs", named)), 0);
}
