//! `resource move-documents`: documents of before a customer's key was enabled, under it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use crate::home::{Done, Home, bytes, lines, run, seal_expiring, wait_until};

const ENABLE: &str = "resource enable-cmk r --vault c --key k --home h";
const MOVE: &str = "resource move-documents r docs --home h";

/// The resource `r` in the home `h`, a customer's vault `c` with the key `k`, and a directory `docs`.
fn service() -> Home {
    let home = crate::home::service();
    home.write("plain", &bytes(10_000));
    fs::create_dir(home.path("docs")).unwrap();
    home
}

fn inspected(home: &Home, path: &str) -> serde_json::Value {
    home.run(["inspect", path, "--json"]).json()
}

fn layers(home: &Home, path: &str) -> u64 {
    inspected(home, path)["layers"].as_u64().unwrap()
}

fn opens(home: &Home, path: &str, more: &str) {
    let opened = run(home, &format!("open {path} -o - --home h{more}")).succeeds();
    assert!(opened.stdout == home.read("plain"), "{path}");
}

/// The count in the status of `r`, as documents of before and those outside still.
fn counts(home: &Home) -> (Option<u64>, Option<u64>) {
    let status = run(home, "resource status r --home h --json").json();
    (status["documents_before"].as_u64(), status["outside_cmk"].as_u64())
}

#[test]
fn documents_sealed_before_a_key_was_enabled_are_moved_under_it_by_one_command() {
    let home = service();
    lines(
        &home,
        &[
            "seal plain -o docs/a.sealed --resource r --home h",
            "seal plain -o docs/b.sealed --resource r --home h --stream --chunk-size 4KiB",
            "seal plain -o docs/c.sealed --resource r --home h --expires-in 7d",
        ],
    );
    run(&home, MOVE).fails_with(
        "cannot move documents under the customer's key: the resource r is service-managed; enable a customer-managed \
         key first with: strongroom resource enable-cmk r --key KEY --vault DIR --home h",
    );
    lines(&home, &[&format!("{ENABLE} --documents-before 4")]);
    let names = ["docs/a.sealed", "docs/b.sealed", "docs/c.sealed"];
    let before = names.map(|name| inspected(&home, name));
    let done = run(&home, MOVE).succeeds();
    assert_eq!(
        done.text(),
        "moved docs/a.sealed under the customer's key: 10000 bytes, sealed again\n\
         moved docs/b.sealed under the customer's key: 10000 bytes, sealed again\n\
         moved docs/c.sealed under the customer's key: 10000 bytes, sealed again\n\
         r: 3 moved, 0 there already, 0 failed; 3 of 4 documents sealed before the key was enabled have been moved\n"
    );
    assert_eq!(counts(&home), (Some(4), Some(1)));
    for (name, before) in names.iter().zip(before) {
        let after = inspected(&home, name);
        for kept in ["chunk_bytes", "plaintext_bytes", "expires_at"] {
            assert_eq!(after[kept], before[kept], "{name}: {kept}");
        }
        assert_eq!((before["layers"].as_u64(), after["layers"].as_u64()), (Some(1), Some(2)));
        assert_ne!(after["salt"], before["salt"], "{name}: new data keys");
        opens(&home, name, "");
    }
    // What is moved is skipped by its header alone.
    let held = names.map(|name| home.read(name));
    let again = run(&home, &format!("{MOVE} --json")).json();
    assert_eq!(
        (&again["moved"], &again["unchanged"], &again["failed"]),
        (&0.into(), &3.into(), &0.into())
    );
    assert!(names.map(|name| home.read(name)) == held);
    assert_eq!(counts(&home), (Some(4), Some(1)));
    // The customer's key is needed now.
    lines(&home, &["vault disable k --vault c"]);
    assert_eq!(run(&home, "open docs/a.sealed -o - --home h").code, Some(1));
}

#[test]
fn documents_of_an_earlier_epoch_are_moved_as_those_of_one_layer_are() {
    let home = service();
    lines(
        &home,
        &[
            ENABLE,
            "seal plain -o docs/a --resource r --home h",
            "resource disable-cmk r --home h",
            &format!("{ENABLE} --documents-before 1"),
        ],
    );
    let outer = |name: &str| inspected(&home, name)["recipients"][1]["key"].clone();
    let first = outer("docs/a");
    run(&home, MOVE).succeeds();
    assert_ne!(outer("docs/a"), first);
    opens(&home, "docs/a", "");
    assert_eq!(counts(&home), (Some(1), Some(0)));
}

#[test]
fn documents_that_cannot_be_moved_are_named_and_the_others_are_moved() {
    let home = service();
    lines(
        &home,
        &[
            "resource create other --tenant t --region e --home h",
            "seal plain -o docs/foreign.sealed --resource other --home h",
            "seal plain -o docs/damaged.sealed --resource r --home h",
            "seal plain -o docs/cut.sealed --resource r --home h",
            "seal plain -o docs/bound.sealed --resource r --home h --context a=b",
            "seal plain -o docs/whole.sealed --resource r --home h",
        ],
    );
    let expiry = seal_expiring(&home, "seal plain -o docs/expired.sealed --resource r --home h");
    home.write("docs/notes.txt", b"no document");
    home.write("docs/text.sealed", b"no document, and called one");
    let mut damaged = home.read("docs/damaged.sealed");
    damaged[5000] ^= 1;
    home.write("docs/damaged.sealed", &damaged);
    home.write("docs/cut.sealed", &home.read("docs/cut.sealed")[..9000]);
    lines(&home, &[&format!("{ENABLE} --documents-before 5")]);
    wait_until(expiry);
    let kept: Vec<_> = ["foreign", "expired", "damaged", "cut", "bound"]
        .map(|name| format!("docs/{name}.sealed"))
        .into();
    let held: Vec<_> = kept.iter().map(|name| home.read(name)).collect();
    let done = run(&home, MOVE);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    for said in [
        "note: docs/notes.txt is not a sealed document; left as it is\n",
        "error: docs/foreign.sealed is not a document of the resource r: it is sealed under resource/other/service/",
        "error: docs/expired.sealed: the document expired at ",
        "error: docs/damaged.sealed: its header is authentic, and its chunk 1 (bytes 2560 to ",
        "error: docs/cut.sealed: ",
        "error: docs/bound.sealed: authentication of its header failed: the key or the context is not the one",
        "error: docs/text.sealed: ",
        "error: 6 of 7 files could not be moved, each named above;",
    ] {
        assert!(done.stderr.contains(said), "{said}\n{}", done.stderr);
    }
    assert!(
        done.text().contains("r: 1 moved, 0 there already, 6 failed; 1 of 5 documents"),
        "{}",
        done.text()
    );
    assert_eq!(layers(&home, "docs/whole.sealed"), 2);
    assert!(kept.iter().map(|name| home.read(name)).eq(held), "left as they were");
    // With its context it is moved, and has it still.
    run(&home, "resource move-documents r docs/bound.sealed --context a=b --home h").succeeds();
    assert_eq!(layers(&home, "docs/bound.sealed"), 2);
    opens(&home, "docs/bound.sealed", " --context a=b");
    assert_eq!(run(&home, "open docs/bound.sealed -o - --home h").code, Some(1));
}

#[test]
fn a_document_whose_header_is_kept_apart_is_moved_with_it() {
    let home = service();
    home.write("nothing", b"");
    lines(
        &home,
        &[
            "seal plain -o docs/a --detach-header docs/a.hdr --resource r --home h",
            "seal nothing -o docs/empty --detach-header docs/empty.hdr --resource r --home h",
            "seal plain -o body --detach-header header --resource r --home h",
            ENABLE,
        ],
    );
    let done = run(&home, MOVE).succeeds();
    assert!(done.text().contains("r: 2 moved, 0 there already, 0 failed"), "{}", done.text());
    assert!(done.text().ends_with("is not known\n"), "{}", done.text());
    for name in ["docs/a", "docs/empty"] {
        assert_eq!(layers(&home, &format!("{name}.hdr")), 2);
    }
    opens(&home, "docs/a", " --header docs/a.hdr");
    let opened = run(&home, "open docs/empty --header docs/empty.hdr -o - --home h").succeeds();
    assert_eq!(opened.stdout, b"");
    assert!(run(&home, MOVE).succeeds().text().contains("r: 0 moved, 2 there already, 0 failed"));
    assert_eq!(fs::read_dir(home.path("docs")).unwrap().count(), 4);
    // One half is no document.
    run(&home, "resource move-documents r body --home h").fails_words("name that file as well");
    run(&home, "resource move-documents r header --home h").fails_words(
        "header holds a header and no document: name the document that belongs to it as well",
    );
    run(&home, "resource move-documents r header body --home h").succeeds();
    opens(&home, "body", " --header header");
}

#[test]
fn a_stopped_move_of_a_document_and_its_header_is_finished_by_the_next_one() {
    let home = service();
    lines(
        &home,
        &["seal plain -o docs/a --detach-header docs/a.hdr --resource r --home h", ENABLE],
    );
    let old = home.read("docs/a.hdr");
    // Where a run was killed between the two names, the new header waits beside the old one.
    fs::create_dir(home.path("own")).unwrap();
    let of_kill = |name: &str| {
        fs::copy(home.path(&format!("docs/{name}")), home.path(&format!("own/{name}")))
    };
    of_kill("a").unwrap();
    of_kill("a.hdr").unwrap();
    let mut child = home.command("resource move-documents r own/a own/a.hdr --home h".split(' '));
    child.stdout(Stdio::null());
    assert!(child.status().unwrap().success());
    let (document, header) = (home.read("own/a"), home.read("own/a.hdr"));
    home.write("docs/a", &document);
    home.write("docs/.a.hdr.strongroom-next-0123456789abcdef", &header);
    let done = run(&home, MOVE).succeeds();
    assert!(done.text().contains("r: 0 moved, 1 there already, 0 failed"), "{}", done.text());
    assert_eq!(home.read("docs/a.hdr"), header);
    opens(&home, "docs/a", " --header docs/a.hdr");
    // Another document may need the header that had the name.
    let names = crate::home::names(&home.path("docs"));
    let [next, "a", "a.hdr"] = &names.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        panic!("{names:?}")
    };
    assert!(done.stderr.contains(&format!("{next} stays")), "{}", done.stderr);
    assert_eq!(home.read(&format!("docs/{next}")), old);
}

/// Checks that a header is not taken from a document that comes later among the files.
#[test]
fn a_header_in_use_is_not_exchanged_for_one_that_waits() {
    let home = service();
    lines(
        &home,
        &[
            "seal plain -o docs/b --detach-header docs/b.hdr --resource r --home h",
            "seal plain -o docs/a --detach-header next --resource r --home h",
            ENABLE,
        ],
    );
    fs::rename(home.path("next"), home.path("docs/.b.hdr.strongroom-next-0123456789abcdef"))
        .unwrap();
    let done = run(&home, MOVE);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    for body in ["docs/a", "docs/b"] {
        opens(&home, body, " --header docs/b.hdr");
    }
}

#[cfg(unix)] // elsewhere an open file keeps its name
#[test]
fn a_newer_document_that_took_the_name_meanwhile_is_kept_and_told_of() {
    let home = service();
    lines(&home, &["seal plain -o docs/a --resource r --home h", ENABLE]);
    lines(&home, &["seal plain -o newer --resource r --home h"]);
    let newer = home.read("newer");
    let locked = fs::File::open(home.path("docs/a")).unwrap();
    locked.lock().unwrap();
    run(&home, &format!("{MOVE} --lock-timeout 1s")).fails_words(
        "another process has held the lock of docs/a for 1 s, and nothing was changed",
    );
    let mut command = home.command(MOVE.split(' '));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut said, mut stderr) = (String::new(), BufReader::new(child.stderr.take().unwrap()));
    stderr.read_line(&mut said).unwrap();
    assert!(said.starts_with("note: ") && said.contains("waiting"), "{said}");
    fs::rename(home.path("newer"), home.path("docs/a")).unwrap();
    drop(locked);
    stderr.read_to_string(&mut said).unwrap();
    let done = Done::of(&child.wait_with_output().unwrap()).succeeds();
    assert!(said.contains("note: docs/a was replaced meanwhile; the newer file is kept"), "{said}");
    assert!(done.text().contains("docs/a is under the customer's key already"), "{}", done.text());
    assert!(home.read("docs/a") == newer);
}

#[cfg(unix)]
#[test]
fn other_names_of_a_moved_file_are_told_of_and_links_are_followed_where_they_are_named() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = service();
    lines(&home, &["seal plain -o docs/a --resource r --home h", ENABLE]);
    fs::set_permissions(home.path("docs/a"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(home.path("docs/a"), home.path("other")).unwrap();
    symlink("docs/a", home.path("link")).unwrap();
    let done = run(&home, "resource move-documents r link --home h").succeeds();
    assert!(
        done.stderr.contains("note: link has other names (hard links), and they keep"),
        "{}",
        done.stderr
    );
    assert_eq!((layers(&home, "docs/a"), layers(&home, "other")), (2, 1));
    assert!(fs::symlink_metadata(home.path("link")).unwrap().is_symlink());
    assert_eq!(fs::metadata(home.path("docs/a")).unwrap().permissions().mode() & 0o777, 0o640);
}

#[cfg(unix)] // a shell sets the limit
#[test]
fn a_document_that_there_is_no_room_to_seal_again_stays_as_it_was() {
    let home = service();
    home.write("large", &bytes(300_000));
    lines(
        &home,
        &[
            "seal large -o docs/a --resource r --home h",
            "seal plain -o docs/b --resource r --home h",
            ENABLE,
        ],
    );
    let held = home.read("docs/a");
    let limited = format!("trap '' XFSZ; ulimit -f 128; exec \"$0\" {MOVE}");
    let done = Done::of(&home.shell(&limited).output().unwrap());
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let said = "error: cannot move docs/a: the file is too large for the file system";
    assert!(done.stderr.contains(said), "{}", done.stderr);
    assert!(done.stderr.contains("; it is as it was: "), "{}", done.stderr);
    assert!(home.read("docs/a") == held);
    assert_eq!(fs::read_dir(home.path("docs")).unwrap().count(), 2);
    assert_eq!(layers(&home, "docs/b"), 2, "the others go on");
    run(&home, MOVE).succeeds();
    assert_eq!(layers(&home, "docs/a"), 2);
}

#[test]
fn a_resource_whose_key_is_withdrawn_ends_the_run_with_one_sentence() {
    let home = service();
    lines(
        &home,
        &[
            "seal plain -o docs/a --resource r --home h",
            "seal plain -o docs/b --resource r --home h",
            ENABLE,
            "vault disable k --vault c",
        ],
    );
    let held = home.read("docs/a");
    let done = run(&home, MOVE);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.stderr.matches("error:").count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains("no access to the resource r since"), "{}", done.stderr);
    assert!(home.read("docs/a") == held);
}

#[test]
fn what_was_moved_is_told_as_json_or_not_at_all() {
    let home = service();
    lines(
        &home,
        &[
            "seal plain -o docs/a --resource r --home h",
            "seal plain -o docs/b --resource r --home h",
            &format!("{ENABLE} --documents-before 2"),
        ],
    );
    home.write("docs/z", b"no document");
    let quiet =
        run(&home, "resource move-documents r docs/a --home h --quiet --threads 1").succeeds();
    assert_eq!((quiet.text(), &*quiet.stderr), ("", ""));
    let mut told = run(&home, &format!("{MOVE} --json")).succeeds().json();
    assert!(told["seconds"].take().as_f64().unwrap() >= 0.0);
    assert_eq!(
        told,
        serde_json::json!({
            "operation": "documents-moved", "resource": "r",
            "moved": 1, "unchanged": 1, "failed": 0, "not_documents": 1,
            "bytes": 10_000, "seconds": null, "documents_before": 2, "outside_cmk": 0,
            "files": [
                {"path": "docs/z", "outcome": "not-a-document"},
                {"path": "docs/a", "outcome": "unchanged"},
                {"path": "docs/b", "outcome": "moved", "bytes": 10_000},
            ]
        })
    );
}
