//! The golden documents of `tests/vectors`, made by another implementation, in every way in and on
//! every backend.
//!
//! `tests/vectors/index.json` says of each document with which keys, context and time it is opened,
//! and what must come of that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use strongroom::Error;
use strongroom::backend::Backend;
use strongroom::document::{Context, Header, OpenOptions, RewrapOptions, Run};
use strongroom::rsa::PrivateKey;
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey};

/// Numbers of documents by outcome: a document that is lost shows here.
const OUTCOMES: [(&str, usize); 5] =
    [("opens", 124), ("authentication", 161), ("format", 212), ("expired", 8), ("no_key", 12)];
const TWO_LAYERS: usize = 50;
const DETACHED: usize = 55;

/// Interface through which a document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Memory,
    File,
    /// From its beginning to its end. An end that comes too early may then look like a chunk that was
    /// not sealed as the last one, and the other way round.
    Stream,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn index() -> Value {
    let path = folder().join("index.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn unwrapping_key(entry: &Value) -> UnwrappingKey {
    let id = KeyId::new(string(&entry["key_id"])).unwrap();
    let key = string(&entry["key"]);
    match string(&entry["algorithm"]) {
        "A256KW" => UnwrappingKey::aes(id, Secret::copy_from(&hex(key).try_into().unwrap())),
        "RSA-OAEP-256" => UnwrappingKey::rsa(id, PrivateKey::from_pkcs8_pem(key).unwrap()),
        other => panic!("a key of algorithm {other}"),
    }
}

/// The files of a document, and what it is opened with.
struct Document<'i> {
    sealed: Vec<u8>,
    detached_header: Option<Vec<u8>>,
    keys: Vec<UnwrappingKey>,
    context: Context,
    now: Option<u64>,
    entry: &'i Value,
}

impl<'i> Document<'i> {
    fn new(entry: &'i Value, keys: &Value) -> Self {
        let read = |file: &Value| fs::read(folder().join(string(file))).unwrap();
        let mut context = Context::new();
        for pair in list(&entry["context"]) {
            context.insert(string(&pair[0]), string(&pair[1])).unwrap();
        }
        Self {
            sealed: read(&entry["file"]),
            detached_header: entry.get("header").map(read),
            keys: list(&entry["keys"])
                .iter()
                .map(|name| unwrapping_key(&keys[string(name)]))
                .collect(),
            context,
            now: entry["now"].as_u64(),
            entry,
        }
    }

    fn open(&self, way: Way, backend: Backend) -> Result<Vec<u8>, Error> {
        let context = self.context.clone();
        let options = OpenOptions { context, now: self.now, backend, ..OpenOptions::default() };
        let mut rest = &self.sealed[..];
        let header = match (&self.detached_header, way) {
            (None, Way::Memory) => Header::parse(&self.sealed)?,
            (None, Way::File) => Header::read_at(&self.sealed[..])?,
            (None, Way::Stream) => Header::read(&mut rest)?,
            (Some(header), Way::Memory) => Header::parse(header)?,
            (Some(header), Way::File) => Header::read_at(&header[..])?,
            (Some(header), Way::Stream) => Header::read(&mut &header[..])?,
        };
        let opener = header.unlock_with(&self.keys, &options)?;
        let opener = if self.detached_header.is_some() { opener.detached() } else { opener };
        let mut opened = Vec::new();
        match way {
            Way::Memory => opened = opener.open_slice(&self.sealed)?,
            Way::File => {
                let mut file = tempfile::tempfile().unwrap();
                opener.open_file(&self.sealed[..], &file, &Run::default())?;
                file.rewind().unwrap();
                file.read_to_end(&mut opened).unwrap();
            }
            Way::Stream => {
                opener.open_stream(&mut rest, &mut opened, &Run::default())?;
            }
        }
        Ok(opened)
    }

    /// The outcome that the index expects, if `found` is it.
    fn expected(&self, way: Way, found: &'static str) -> Option<&'static str> {
        let expected = match &self.entry["expect"] {
            Value::Array(outcomes) => outcomes.iter().map(string).collect(),
            outcome => vec![string(outcome)],
        };
        if expected.contains(&found) {
            return Some(found);
        }
        let other = match found {
            "format" if way == Way::Stream => "authentication",
            "authentication" if way == Way::Stream => "format",
            _ => return None,
        };
        expected.contains(&other).then_some(other)
    }

    fn has_two_layers(&self) -> bool {
        self.detached_header.as_deref().unwrap_or(&self.sealed).get(10) == Some(&2)
    }

    /// Opens it and compares: the outcome that was expected, or what differs from the index.
    fn compare(&self, way: Way, backend: Backend) -> Result<&'static str, String> {
        let name = string(&self.entry["name"]);
        let (outcome, plaintext, error) = match self.open(way, backend) {
            Ok(plaintext) => ("opens", Some(plaintext), String::new()),
            Err(error) => (outcome(&error), None, error.to_string()),
        };
        let Some(expected) = self.expected(way, outcome) else {
            let expected = &self.entry["expect"];
            return Err(format!("{name}: {outcome} ({error}), expected: {expected}"));
        };
        if let Some(plaintext) = plaintext {
            let hash = hex(string(&self.entry["plaintext_sha256"]));
            if self.entry["plaintext_len"] != plaintext.len() as u64
                || Sha256::digest(&plaintext)[..] != hash
            {
                return Err(format!("{name}: it opens, but to another text"));
            }
        }
        Ok(expected)
    }
}

/// The index's name for an error.
fn outcome(error: &Error) -> &'static str {
    match error {
        Error::Authentication => "authentication",
        Error::Format { .. } => "format",
        Error::Expired { .. } => "expired",
        Error::NoKey { .. } => "no_key",
        _ => "an error that no document may cause",
    }
}

#[test]
fn golden_documents_give_what_the_index_says() {
    let index = index();
    let entries = list(&index["documents"]);
    let documents: Vec<_> =
        entries.iter().map(|entry| Document::new(entry, &index["keys"])).collect();
    assert_eq!(documents.iter().filter(|document| document.has_two_layers()).count(), TWO_LAYERS);
    let detached = documents.iter().filter(|document| document.detached_header.is_some());
    assert_eq!(detached.count(), DETACHED);

    for backend in Backend::available() {
        for way in [Way::Memory, Way::File, Way::Stream] {
            let mut seen = BTreeMap::new();
            let mut differences = Vec::new();
            for document in &documents {
                match document.compare(way, backend) {
                    Ok(outcome) => *seen.entry(outcome).or_insert(0) += 1,
                    Err(difference) => differences.push(difference),
                }
            }
            let name = backend.name();
            assert!(differences.is_empty(), "{name}, {way:?}:\n{}", differences.join("\n"));
            assert_eq!(seen, BTreeMap::from(OUTCOMES), "{name}, {way:?}");
        }
    }
}

#[test]
fn no_golden_document_is_left_out_of_the_index() {
    let index = index();
    let entries = list(&index["documents"]);
    let named: BTreeSet<PathBuf> = entries
        .iter()
        .flat_map(|entry| [entry.get("file"), entry.get("header")])
        .flatten()
        .map(|file| folder().join(string(file)))
        .collect();
    let found: BTreeSet<PathBuf> = fs::read_dir(folder().join("documents"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(named.symmetric_difference(&found).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

/// The comparison can fail: on another outcome, and on another text.
#[test]
fn a_difference_from_the_index_is_found() {
    let index = index();
    let entries = list(&index["documents"]);
    let mut entry = entries.iter().find(|entry| entry["name"] == "length-17").unwrap().clone();
    let compare = |entry: &Value| {
        Document::new(entry, &index["keys"]).compare(Way::Memory, Backend::detect())
    };
    assert_eq!(compare(&entry).unwrap(), "opens");
    entry["plaintext_sha256"] = "00".repeat(32).into();
    assert!(compare(&entry).unwrap_err().contains("another text"));
    for expected in ["authentication", "format", "expired", "no_key"] {
        entry["expect"] = expected.into();
        assert!(compare(&entry).unwrap_err().contains(expected));
    }
}

/// No generation follows 2^64 - 1: the document opens, and its header stays.
#[test]
fn the_highest_generation_opens_and_is_not_rewritten() {
    let index = index();
    let entry = list(&index["documents"])
        .iter()
        .find(|entry| entry["name"] == "generation-highest")
        .unwrap();
    let document = Document::new(entry, &index["keys"]);
    assert!(document.open(Way::Memory, Backend::detect()).is_ok());
    let header = Header::parse(&document.sealed).unwrap();
    assert_eq!(header.generation(), u64::MAX);
    let rewrap = header.rewrap_with(&document.keys, &RewrapOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("document");
    fs::write(&path, &document.sealed).unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    for refused in [rewrap.to_header().map(drop), rewrap.write_in_place(&file)] {
        let is_told = matches!(refused, Err(Error::Length { what: "generation of a header", .. }));
        assert!(is_told, "{refused:?}");
    }
    assert!(fs::read(&path).unwrap() == document.sealed);
}
