//! Floors of a crate: its files, lowest first, and which of them each may use.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Sources, code, is_test, one};

/// A crate's files on their floors.
#[derive(Clone, Copy)]
pub(super) struct House<'a> {
    /// The folder of its sources.
    pub(super) src: &'a str,
    /// Folders that are one place.
    pub(super) folders: &'a [&'a str],
    /// The places, lowest first: each with those that it uses, all of which stand before it.
    pub(super) floors: &'a [(&'a str, &'a [&'a str])],
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

impl House<'_> {
    /// The place of a file: its path below `src` without the ending, or its folder.
    fn place_of(&self, path: &Path) -> Option<String> {
        let path = path.strip_prefix(self.src).ok()?.with_extension("");
        let top = path.components().next()?.as_os_str().to_str()?;
        Some(if self.folders.contains(&top) { top.to_owned() } else { path.to_str()?.to_owned() })
    }

    /// The places that a file uses. `super::` and `self::` name files of its folder; items of the parent file
    /// count as the parent.
    fn uses(&self, path: &Path, text: &str, places: &BTreeSet<String>) -> BTreeSet<String> {
        let Some(inside) = path.strip_prefix(self.src).ok().map(|path| path.with_extension(""))
        else {
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
                    let full = base.join(name).to_string_lossy().replace('\\', "/"); // as in the table
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

    pub(super) fn complaints(&self, sources: &Sources) -> Vec<String> {
        let floors = self.floors;
        let mut complaints = Vec::new();
        let places: BTreeSet<String> =
            floors.iter().map(|(place, _)| (*place).to_owned()).collect();
        let mut found = BTreeSet::new();
        for (path, text) in sources.iter().filter(|(path, _)| !is_test(path)) {
            let Some(place) = self.place_of(path).filter(|place| place != "lib") else { continue };
            let Some((_, allowed)) = floors.iter().find(|(from, _)| *from == place) else {
                complaints.push(format!("{}: {place} has no floor", path.display()));
                continue;
            };
            for used in self.uses(path, text, &places).into_iter().filter(|used| *used != place) {
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
}

#[test]
fn an_upward_edge_and_a_circle_are_found() {
    let house = |floors| House { src: "src", folders: &[], floors };
    let floors: &[(&str, &[&str])] =
        &[("error", &[]), ("cache/entry", &["error"]), ("cache", &["cache/entry", "error"])];
    let with = |entry: &str| {
        let mut sources = one("src/cache/entry.rs", entry);
        let cache = "use self::entry::{A, B};\nuse crate::{error::Error};".to_owned();
        sources.insert("src/cache.rs".into(), cache);
        sources.insert("src/error.rs".into(), String::new());
        house(floors).complaints(&sources)
    };
    assert_eq!(with("use crate::error::Error;"), Vec::<String>::new());
    for upward in ["use crate::cache::KeyCache;", "use super::KeyCache;", "fn f(a: super::A) {}"] {
        let complaints = with(&format!("use crate::error::Error;\n{upward}"));
        assert!(complaints[0].ends_with("cache/entry may not use cache"), "{complaints:?}");
    }
    assert_eq!(with("// nothing"), ["nothing in cache/entry uses error: take the edge out"]);

    // An edge that the table itself has upward is no floor, and a new file needs one.
    let circle: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a"])];
    let mut two = one("src/a.rs", "use crate::b::B;");
    two.insert("src/b.rs".into(), "use crate::a::A;".into());
    assert_eq!(house(circle).complaints(&two), ["a is not above b"]);
    assert_eq!(house(&[]).complaints(&one("src/new.rs", "")).len(), 1);
}
