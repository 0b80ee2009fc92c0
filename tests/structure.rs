//! The shape of the house: which module may import which, where `unsafe` may stand and how often,
//! how long a file may be, how doc comments begin, and what the engine depends on.
//!
//! Each rule is a function from sources to complaints, and is shown a source that breaks it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "structure/first_lines.rs"]
mod first_lines;
#[path = "structure/floors.rs"]
mod floors;
#[path = "structure/keys.rs"]
mod keys;
#[path = "structure/local_vault.rs"]
mod local_vault;
#[path = "structure/messages.rs"]
mod messages;
#[path = "structure/plain_words.rs"]
mod plain_words;
#[path = "structure/short_files.rs"]
mod short_files;
#[path = "structure/store.rs"]
mod store;
#[path = "structure/type_names.rs"]
mod type_names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The imports between the engine's modules, all of them: from each module to those below it.
const EDGES: [(&str, &[&str]); 14] = [
    ("aes_gcm", &["gcm"]),
    ("fuzzing", &["arch", "backend", "document", "error", "rsa", "secret"]),
    ("document", &["backend", "error", "gcm", "parallel", "random", "secret", "wrap"]),
    ("parallel", &["error", "secret", "threads"]),
    ("wrap", &["backend", "error", "rsa", "secret"]),
    ("rsa", &["backend", "error", "random", "secret", "threads"]),
    ("gcm", &["arch", "backend", "error", "secret"]),
    ("backend", &["arch", "secret"]),
    ("arch", &["secret"]),
    ("secret", &["error", "random"]),
    ("random", &["error"]),
    ("error", &["time"]),
    ("threads", &[]),
    ("time", &[]),
];

/// `unsafe` blocks in each file of the engine that has any; 40 in all is the cap.
const UNSAFE_BLOCKS: [(&str, usize); 10] = [
    ("src/arch/aarch64/armv8.rs", 5),
    ("src/arch/aarch64/memory.rs", 2),
    ("src/arch/key_wrap.rs", 2),
    ("src/arch/x86_64/aesni.rs", 5),
    ("src/arch/x86_64/ifma.rs", 2),
    ("src/arch/x86_64/memory.rs", 12),
    ("src/arch/x86_64/barrier.rs", 1),
    ("src/arch/x86_64/reload.rs", 2),
    ("src/arch/x86_64/vaes256.rs", 4),
    ("src/arch/x86_64/vaes512.rs", 4),
];
const UNSAFE_BLOCKS_CAP: usize = 40;

/// The same of the add-ons: the bench runs instructions that no library offers a loop of, and Valgrind is asked by
/// instructions.
const UNSAFE_BLOCKS_OF_ADD_ONS: [(&str, usize); 2] =
    [("crates/compare/src/yardstick.rs", 9), ("crates/memcheck/src/valgrind.rs", 1)];

/// Files that have something for the fuzz targets alone: functions and a module more, never another
/// behaviour, so that what is fuzzed is what is used.
const COMPILED_FOR_FUZZING: [&str; 8] = [
    "src/arch.rs",
    "src/arch/counter_cache.rs",
    "src/arch/x86_64/vaes256.rs",
    "src/arch/x86_64/vaes512.rs",
    "src/backend.rs",
    "src/lib.rs",
    "src/rsa.rs",
    "src/secret.rs",
];

/// Lines of a file of code; tests and tables may be longer.
const FILE_LENGTH_CAP: usize = 600;

/// Interfaces that the engine's sources may not use: the host decides on these.
const FOREIGN_TO_THE_ENGINE: [&str; 7] =
    ["std::env", "std::net", "std::process", "std::thread", "println!", "eprintln!", "dbg!"];

/// Exceptions, each in its file: which process made a sealer tells a forked child from it.
const NOT_FOREIGN: [(&str, &str); 1] = [("src/document/seal.rs", "std::process::id")];

/// The calls from a file to the kernel, as `docs/performance.md` gives them: each function with its file and
/// with how it calls the next.
const CALLS: [(&str, &str, &str); 7] = [
    ("src/document/io/file.rs", "Sealer::seal_file", "for_each_init("),
    ("src/parallel/run.rs", "for_each_init", "concurrent::for_each_init("),
    ("src/parallel/run.rs", "concurrent::for_each_init", "work("),
    ("src/document/chunk.rs", "ChunkCipher::seal", "layer.seal("),
    ("src/gcm.rs", "Aes256Gcm::seal", "self.key.seal("),
    ("src/backend.rs", "ExpandedKey::seal", "self.crypt::<SEAL>("),
    ("src/backend.rs", "ExpandedKey::crypt", "key.crypt::<DIRECTION>("),
];

type Sources = BTreeMap<PathBuf, String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// True for a folder of Cargo's output, and for a hidden one.
fn is_not_ours(folder: &Path) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy();
    name == "target" || name.starts_with('.') || folder.join("CACHEDIR.TAG").exists()
}

/// Every Rust source below `folder`, by its path from the root.
fn sources(folder: &str) -> Sources {
    let mut found = Sources::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !is_not_ours(&path) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
                found.insert(name.replace('\\', "/").into(), text);
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

fn one(path: &str, text: &str) -> Sources {
    Sources::from([(path.into(), text.into())])
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

/// The code without its comments and without the tests at its end.
fn code(text: &str) -> String {
    let end = text
        .match_indices("#[cfg(")
        .find(|(at, _)| {
            let mut lines = text[*at..].lines();
            let attribute = lines.next().unwrap_or_default();
            let next = lines.next().unwrap_or_default();
            attribute.contains("test") && next.starts_with("mod tests")
        })
        .map_or(text.len(), |(at, _)| at);
    text[..end]
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The engine module that a file belongs to: `src/gcm.rs` and `src/gcm/…` are `gcm`.
fn module_of(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").ok()?.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// The engine modules that `code` names after `crate::`, in braces or without.
fn imported_modules(code: &str) -> BTreeSet<String> {
    let identifier = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut modules = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + found.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            modules
                .extend(list.split('}').next().unwrap().split(',').map(|n| identifier(n.trim())));
        } else {
            modules.insert(identifier(rest));
        }
    }
    modules
}

fn layer_complaints(sources: &Sources, edges: &[(&str, &[&str])]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in sources.iter().filter(|(path, _)| !is_test(path)) {
        let Some(module) = module_of(path).filter(|module| module != "lib") else { continue };
        let Some((_, allowed)) = edges.iter().find(|(from, _)| *from == module) else {
            complaints.push(format!("{}: module {module} has no layer", path.display()));
            continue;
        };
        // `Error` at the crate's root is `error`'s.
        for import in imported_modules(&code(text)) {
            let import = if import == "Error" { "error".to_owned() } else { import };
            if import != module && !allowed.contains(&import.as_str()) {
                complaints.push(format!("{}: {module} may not import {import}", path.display()));
            }
            used.insert((module.clone(), import));
        }
    }
    for (from, allowed) in edges {
        for to in *allowed {
            if !used.contains(&((*from).to_owned(), (*to).to_owned())) {
                complaints.push(format!("nothing in {from} imports {to}: take the edge out"));
            }
        }
    }
    complaints
}

fn unsafe_complaints(sources: &Sources, expected: &[(&str, usize)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let code = text
            .lines()
            .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
            .collect::<Vec<_>>()
            .join("\n");
        let words = code
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| *word == "unsafe")
            .count();
        let blocks = code.matches("unsafe {").count();
        let name = path.display().to_string();
        let allowed = expected.iter().find(|(file, _)| *file == name).map_or(0, |(_, n)| *n);
        if blocks != allowed {
            complaints.push(format!("{name}: {blocks} unsafe blocks, {allowed} expected"));
        }
        if words != blocks {
            complaints.push(format!("{name}: unsafe functions, traits or impls are not used here"));
        }
    }
    complaints
}

fn length_complaints(sources: &Sources) -> Vec<String> {
    sources
        .iter()
        .filter(|(path, _)| !is_test(path))
        .filter(|(_, text)| text.lines().count() > FILE_LENGTH_CAP)
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect()
}

/// Code for the fuzz targets where none is known, and a module of theirs that others see.
fn fuzzing_complaints(sources: &Sources, known: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let name = path.display().to_string();
        let is_known = known.contains(&name.as_str());
        if is_known != text.contains("fuzzing)") {
            complaints.push(format!("{name}: code for fuzzing alone, or none any more"));
        }
        let modules = text.matches("mod fuzzing;").count();
        if modules != text.matches("#[cfg(fuzzing)]\n#[doc(hidden)]\npub mod fuzzing;").count() {
            complaints.push(format!("{name}: the module is for fuzzing alone"));
        }
    }
    complaints
}

/// Files that no `mod` names, and folders in the style this project does not use.
fn orphan_complaints(sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    for path in sources.keys() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "mod" {
            complaints.push(format!("{}: name it after its module", path.display()));
            continue;
        }
        let folder = path.parent().unwrap();
        if folder.file_name().unwrap() == "src" {
            if matches!(name, "lib" | "main") {
                continue;
            }
            let named = ["lib.rs", "main.rs"].iter().any(|parent| {
                sources.get(&folder.join(parent)).is_some_and(|text| declares(text, name))
            });
            if !named {
                complaints.push(format!("{}: no module names it", path.display()));
            }
        } else if !sources
            .get(&folder.with_extension("rs"))
            .is_some_and(|text| declares(text, name))
        {
            complaints.push(format!("{}: no module names it", path.display()));
        }
    }
    complaints
}

fn declares(text: &str, module: &str) -> bool {
    text.lines().any(|line| line.trim().ends_with(&format!("mod {module};")))
}

fn foreign_complaints(sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| !is_test(path)) {
        let mut code = code(text);
        for (_, allowed) in NOT_FOREIGN.iter().filter(|(file, _)| path == Path::new(file)) {
            assert!(code.contains(allowed), "{allowed} is not used: take it out");
            code = code.replace(allowed, "");
        }
        for foreign in FOREIGN_TO_THE_ENGINE {
            if code.contains(foreign) {
                complaints.push(format!("{}: {foreign} is for the host", path.display()));
            }
        }
    }
    complaints
}

#[test]
fn imports_go_down_only() {
    assert_eq!(layer_complaints(&sources("src"), &EDGES), Vec::<String>::new());

    let edges: &[(&str, &[&str])] = &[("gcm", &["backend"]), ("backend", &[])];
    for (text, complaints) in [
        ("use crate::backend::Backend;", 0),
        ("use crate::{backend::Backend};\nuse crate::document::seal;", 1),
        ("fn f() { crate::backend::x(); crate::wrap::y() }", 1),
        ("use crate::{backend, rsa};", 1),
        ("// crate::document", 1), // and the edge to backend is not used
        ("use crate::backend;\n#[cfg(test)]\nmod tests { use crate::document; }", 0),
    ] {
        let found = layer_complaints(&one("src/gcm.rs", text), edges);
        assert_eq!(found.len(), complaints, "{text}: {found:?}");
    }
    assert_eq!(layer_complaints(&one("src/new.rs", ""), &[]).len(), 1);
}

#[test]
fn unsafe_code_stays_where_it_is_known() {
    assert_eq!(unsafe_complaints(&sources("src"), &UNSAFE_BLOCKS), Vec::<String>::new());
    let add_ons = unsafe_complaints(&sources("crates"), &UNSAFE_BLOCKS_OF_ADD_ONS);
    assert_eq!(add_ons, Vec::<String>::new());
    for folder in ["fuzz/src", "fuzz/targets"] {
        assert_eq!(unsafe_complaints(&sources(folder), &[]), Vec::<String>::new());
    }
    let blocks: usize = UNSAFE_BLOCKS.iter().map(|(_, blocks)| blocks).sum();
    assert!(blocks <= UNSAFE_BLOCKS_CAP);

    assert_eq!(unsafe_complaints(&one("src/gcm.rs", "unsafe { f() }"), &[]).len(), 1);
    assert_eq!(unsafe_complaints(&one("src/gcm.rs", "unsafe fn f() {}"), &[]).len(), 1);
    assert_eq!(unsafe_complaints(&one("a", "unsafe { }"), &[("a", 2)]).len(), 1);
    assert_eq!(unsafe_complaints(&one("a", "// unsafe { }\nunsafe_code"), &[]).len(), 0);
}

#[test]
fn files_are_short() {
    assert_eq!(length_complaints(&sources("src")), Vec::<String>::new());
    assert_eq!(length_complaints(&sources("crates")), Vec::<String>::new());
    for folder in ["fuzz/src", "fuzz/targets"] {
        assert_eq!(length_complaints(&sources(folder)), Vec::<String>::new());
    }
    assert_eq!(length_complaints(&one("src/a.rs", &"\n".repeat(FILE_LENGTH_CAP + 1))).len(), 1);
    assert_eq!(length_complaints(&one("src/a.rs", &"\n".repeat(FILE_LENGTH_CAP))).len(), 0);
}

#[test]
fn every_file_is_named_by_a_module() {
    let mut crates = vec!["src".to_owned(), "fuzz/src".to_owned()];
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        crates.push(format!("crates/{name}/src"));
    }
    for folder in crates {
        assert_eq!(orphan_complaints(&sources(&folder)), Vec::<String>::new());
    }
    let mut orphan = one("src/lib.rs", "pub mod gcm;");
    orphan.insert("src/gcm.rs".into(), "mod aead;".into());
    orphan.insert("src/gcm/aead.rs".into(), String::new());
    assert_eq!(orphan_complaints(&orphan).len(), 0);
    orphan.insert("src/gcm/left.rs".into(), String::new());
    orphan.insert("src/behind.rs".into(), String::new());
    orphan.insert("src/gcm/mod.rs".into(), String::new());
    assert_eq!(orphan_complaints(&orphan).len(), 3);
}

#[test]
fn what_is_fuzzed_is_what_is_used() {
    let complaints = fuzzing_complaints(&sources("src"), &COMPILED_FOR_FUZZING);
    assert_eq!(complaints, Vec::<String>::new());

    for (text, known, complaints) in [
        ("#[cfg(any(test, fuzzing))]\nfn f() {}", true, 0),
        ("#[cfg(not(fuzzing))]\nfn f() {}", false, 1),
        ("fn f() {}", true, 1),
        ("#[cfg(fuzzing)]\n#[doc(hidden)]\npub mod fuzzing;", true, 0),
        ("#[cfg(fuzzing)]\npub mod fuzzing;", true, 1),
        ("pub mod fuzzing;", false, 1),
    ] {
        let known: &[&str] = if known { &["src/a.rs"] } else { &[] };
        let found = fuzzing_complaints(&one("src/a.rs", text), known);
        assert_eq!(found.len(), complaints, "{text}: {found:?}");
    }
}

#[test]
fn the_engine_leaves_the_host_alone() {
    assert_eq!(foreign_complaints(&sources("src")), Vec::<String>::new());
    for foreign in FOREIGN_TO_THE_ENGINE {
        assert_ne!(foreign_complaints(&one("src/gcm.rs", foreign)).len(), 0);
    }
    for (file, allowed) in NOT_FOREIGN {
        assert_eq!(foreign_complaints(&one(file, allowed)), Vec::<String>::new());
        assert_ne!(foreign_complaints(&one("src/gcm.rs", allowed)).len(), 0);
        assert_ne!(
            foreign_complaints(&one(file, &format!("{allowed}; std::process::exit"))).len(),
            0
        );
    }
}

/// The names of all crates that the engine brings into a build, on every platform.
#[test]
fn the_engine_depends_on_what_is_written_down() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--package", "strongroom", "--edges", "normal,build", "--target", "all"])
        .args(["--prefix", "none", "--format", "{lib}", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: BTreeSet<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches(" (*)").trim().to_owned())
        .filter(|name| !name.is_empty() && name != "strongroom")
        .collect();
    let written: BTreeSet<String> = include_str!("engine-dependencies.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        found, written,
        "left: what the engine depends on; right: tests/engine-dependencies.txt"
    );
}

/// The engine does not know its add-ons; the interface of vaults knows neither a vault nor its users, a vault does
/// not know what keys are for, and none of them the command line.
#[test]
fn crates_depend_downwards() {
    let manifest = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let engine = manifest("Cargo.toml");
    let dependencies = engine.split("\n[dependencies]").nth(1).unwrap();
    assert!(!dependencies.split("\n[dev-").next().unwrap().contains("strongroom"));
    let floors: [(&str, &[&str]); 6] = [
        ("files", &["strongroom"]), // on Windows alone
        ("vault", &["strongroom", "strongroom-files"]),
        ("local-vault", &["strongroom", "strongroom-files", "strongroom-vault"]),
        ("keys", &["strongroom", "strongroom-files", "strongroom-vault"]),
        ("store", &["strongroom", "strongroom-async", "strongroom-keys"]),
        ("cli", &["strongroom", "strongroom-files", "strongroom-keys", "strongroom-local-vault"]),
    ];
    for (name, wanted) in floors {
        let manifest = manifest(&format!("crates/{name}/Cargo.toml"));
        let normal = manifest.split("\n[dev-dependencies]").next().unwrap();
        let ours: BTreeSet<&str> = normal
            .lines()
            .filter_map(|line| {
                let with_features = line.split_once(" = { workspace = true").map(|(name, _)| name);
                line.strip_suffix(".workspace = true").or(with_features)
            })
            .filter(|name| name.starts_with("strongroom"))
            .collect();
        assert_eq!(ours, wanted.iter().copied().collect::<BTreeSet<_>>(), "crates/{name}");
    }
}

/// The body of `function`, from the file's last or only block that has its module or type.
fn body(text: &str, function: &str) -> Option<String> {
    let (block, name) = function.rsplit_once("::").unwrap_or(("", function));
    let code = code(text);
    let opened = |line: &str| {
        let line = line.trim_end_matches(" {");
        line == format!("impl {block}") || line == format!("mod {block}")
    };
    let start = if block.is_empty() {
        0
    } else {
        let found = code.lines().position(opened)?;
        code.lines().take(found).map(|line| line.len() + 1).sum()
    };
    let code = &code[start..];
    let start =
        [format!("fn {name}("), format!("fn {name}<")].iter().find_map(|at| code.find(at))?;
    let rest = &code[start..];
    let end = rest.find(if block.is_empty() { "\n}\n" } else { "\n    }\n" })?;
    Some(rest[..end].to_owned())
}

fn call_complaints(
    sources: &Sources,
    calls: &[(&str, &str, &str)],
    documented: &str,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for (file, function, call) in calls {
        let body = sources.get(Path::new(file)).and_then(|text| body(text, function));
        if body.is_none_or(|body| !body.contains(call)) {
            complaints.push(format!("{file}: {function} does not call {call})"));
        }
    }
    let names: Vec<_> = calls.iter().map(|(_, function, _)| format!("`{function}`")).collect();
    if !documented
        .replace('\n', " ")
        .contains(&format!("{}, `vaes512::Key::crypt`", names.join(", ")))
    {
        complaints.push("docs/performance.md gives other calls".to_owned());
    }
    complaints
}

#[test]
fn a_chunk_reaches_the_kernel_in_seven_calls() {
    let documented = fs::read_to_string(root().join("docs/performance.md")).unwrap();
    assert_eq!(call_complaints(&sources("src"), &CALLS, &documented), [""; 0]);

    let broken = one("a.rs", "impl A {\n    fn f(&self) {\n        g();\n    }\n}\n");
    let complain = |call| call_complaints(&broken, &[("a.rs", "A::f", call)], &documented).len();
    assert_eq!((complain("g("), complain("h(")), (1, 2));
}
