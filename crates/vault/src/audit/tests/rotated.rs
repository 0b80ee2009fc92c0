//! A trail of many files.

use super::*;
use crate::audit::Tampering;
use crate::audit::tail::full_file;

/// A trail of at least four files, and the number of full ones.
fn rotated() -> (Trail, u64) {
    let trail = Trail::empty();
    let sink = trail.sink().rotate_at(2_000);
    for time in 1..=LINES {
        sink.record_blocking(&event(time)).unwrap();
    }
    let verified = trail.verify().unwrap();
    assert_eq!(verified.lines, LINES);
    assert!(verified.files >= 4, "{}", verified.files);
    let full = verified.files - 1;
    for number in 1..=full {
        assert!(fs::metadata(full_file(&trail.path, number)).unwrap().len() <= 2_000);
    }
    (trail, full)
}

fn newlines_in(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').skip(1).count() as u64
}

#[test]
fn the_first_line_of_a_file_names_the_last_of_the_one_before() {
    let (trail, full) = rotated();
    let mut last: Option<Head> = None;
    let (lines, _) = trail.lines();
    for number in 1..=full {
        let text = fs::read_to_string(full_file(&trail.path, number)).unwrap();
        let first: AuditLine = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((first.previous, first.trail.is_some()), (last, number == 1));
        let end: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let head = format!("{}:{}", end["number"], end["mac"].as_str().unwrap());
        last = Some(head.parse().unwrap());
    }
    assert_eq!(lines.len() as u64, LINES);
    assert_eq!(lines.iter().filter(|line| line.previous.is_some()).count() as u64, full);
}

#[test]
fn a_change_in_a_full_file_is_noticed_there() {
    let (trail, full) = rotated();
    let mut first = 1;
    for number in 1..=full {
        let path = full_file(&trail.path, number);
        let original = fs::read(&path).unwrap();
        for at in (0..original.len()).step_by(7) {
            let mut bytes = original.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let newlines = newlines_in(&original[..at]);
            match trail.verify() {
                Err(AuditError::Tampered { path: named, line, .. }) => {
                    assert_eq!((named, line), (path.clone(), first + newlines));
                }
                other => panic!("{other:?}"),
            }
        }
        // Full files are not torn by a crash.
        fs::write(&path, &original[..original.len() - 1]).unwrap();
        assert!(matches!(trail.verify(), Err(AuditError::Tampered { .. })));
        fs::write(&path, &original).unwrap();
        first += newlines_in(&original);
    }
    trail.verify().unwrap();
}

#[test]
fn missing_and_exchanged_files_are_noticed() {
    let (trail, full) = rotated();
    let aside = trail.path.with_extension("aside");
    for number in 1..full {
        let path = full_file(&trail.path, number);
        fs::rename(&path, &aside).unwrap();
        assert_eq!(trail.verify(), Err(AuditError::Missing { path: path.clone() }));
        // Closing the gap does not help.
        fs::rename(full_file(&trail.path, number + 1), &path).unwrap();
        fs::rename(&aside, full_file(&trail.path, number + 1)).unwrap();
        assert!(matches!(trail.verify(), Err(AuditError::Tampered { .. })));
        fs::rename(full_file(&trail.path, number + 1), &aside).unwrap();
        fs::rename(&path, full_file(&trail.path, number + 1)).unwrap();
        fs::rename(&aside, &path).unwrap();
        trail.verify().unwrap();
    }

    // The newest full file: the current one does not follow.
    let newest = full_file(&trail.path, full);
    fs::rename(&newest, &aside).unwrap();
    let error = trail.verify().unwrap_err();
    assert!(
        matches!(&error, AuditError::Tampered { path, found: Tampering::Number { .. }, .. } if *path == trail.path),
        "{error}"
    );
    fs::rename(&aside, &newest).unwrap();

    // The current file: only the head tells.
    let head = trail.head();
    fs::remove_file(&trail.path).unwrap();
    assert!(trail.verify().unwrap().lines < LINES);
    let error = verify(&trail.path, &trail.key, head).unwrap_err();
    assert!(matches!(error, AuditError::Truncated { .. }), "{error}");
}

#[test]
fn a_crash_between_two_files_loses_nothing() {
    let (trail, full) = rotated();
    fs::rename(&trail.path, full_file(&trail.path, full + 1)).unwrap();
    assert_eq!(trail.verify().unwrap().lines, LINES);
    let head = futures_lite::future::block_on(trail.sink().head()).unwrap();
    assert_eq!(head, trail.head());
    // A file that was made and has no line yet.
    fs::write(&trail.path, b"").unwrap();
    assert_eq!(trail.verify().unwrap().lines, LINES);
    trail.record([31]);
    assert_eq!(trail.verify().unwrap().lines, 31);
}

#[test]
fn other_files_beside_the_trail_are_none_of_it() {
    let (trail, _) = rotated();
    for name in ["audit.jsonl.head", "audit.jsonl.01", "audit.jsonl.1.gz", "audit.jsonl.", "audit"]
    {
        fs::write(trail.path.with_file_name(name), b"something else").unwrap();
    }
    assert_eq!(trail.verify().unwrap().lines, LINES);
    trail.record([31]);
}
