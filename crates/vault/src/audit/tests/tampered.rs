//! Every way to change a trail is noticed, and the right line is named.

use super::*;
use crate::audit::{FileHeadStore, HeadStore as _, Tampering};

/// Flips bits of one byte, every byte in three ways: the number of attempts, and those that go unnoticed or
/// are put down to another line.
fn flips(trail: &Trail) -> (usize, Vec<String>) {
    let (original, head) = (trail.bytes(), trail.head());
    let mut complaints = Vec::new();
    let mut attempts = 0;
    let mut line = 1;
    for at in 0..original.len() {
        for mask in [0x01, 0x20, 0x80] {
            attempts += 1;
            let mut bytes = original.clone();
            bytes[at] ^= mask;
            trail.set_bytes(&bytes);
            let found = trail.verify();
            let right = if at + 1 == original.len() {
                // Without the last newline it cannot be told from what a crash leaves, but by the head.
                let last = trail_length_of_last_line(&original);
                let cut = verify(&trail.path, &trail.key, head);
                matches!(&found, Ok(Verified { lines: 29, torn: Some(torn), .. }) if torn.length == last)
                    && matches!(cut, Err(AuditError::Truncated { found: 29, .. }))
            } else {
                matches!(found, Err(AuditError::Tampered { line: named, .. }) if named == line)
            };
            if !right {
                complaints.push(format!("byte {at} of line {line} ^ {mask:#x}: {found:?}"));
            }
        }
        line += u64::from(original[at] == b'\n');
    }
    trail.set_bytes(&original);
    (attempts, complaints)
}

fn trail_length_of_last_line(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|byte| *byte == b'\n').next_back().unwrap().len() as u64
}

#[test]
fn every_flipped_byte_is_noticed_in_its_line() {
    let trail = Trail::new();
    let (attempts, complaints) = flips(&trail);
    assert!(attempts > 20_000, "{attempts}");
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn a_mac_that_leaves_a_field_out_is_caught() {
    let complaints = planted::with_macs_up_to(",\"correlation_id\"", || flips(&Trail::new()).1);
    assert!(complaints.len() >= 30 * 3, "{}", complaints.len());
}

#[test]
fn every_removed_repeated_or_moved_line_is_noticed() {
    let trail = Trail::new();
    let (lines, head) = (trail.raw_lines(), trail.head());
    let found = |lines: &[Vec<u8>]| {
        trail.set_bytes(&lines.concat());
        match trail.verify() {
            Err(AuditError::Tampered { line, found: Tampering::Number { .. }, .. }) => Some(line),
            Err(error) => panic!("{error}"),
            Ok(_) => None,
        }
    };
    for at in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(at);
        // The last one is missed by who knows the head.
        let expected = if at + 1 == lines.len() { None } else { Some(at as u64 + 1) };
        assert_eq!(found(&removed), expected, "line {} removed", at + 1);
        let cut = verify(&trail.path, &trail.key, head);
        assert_eq!(matches!(cut, Err(AuditError::Truncated { .. })), expected.is_none());

        let mut repeated = lines.clone();
        repeated.insert(at, lines[at].clone());
        assert_eq!(found(&repeated), Some(at as u64 + 2), "line {} repeated", at + 1);

        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert_eq!(found(&swapped), Some(at as u64 + 1), "lines {} and {other}", at + 1);
        }
    }
}

#[test]
fn a_line_of_another_trail_does_not_fit_in() {
    let (trail, other) = (Trail::new(), Trail::new());
    let (lines, foreign) = (trail.raw_lines(), other.raw_lines());
    for at in 0..lines.len() {
        let mut mixed = lines.clone();
        mixed[at].clone_from(&foreign[at]);
        trail.set_bytes(&mixed.concat());
        // The first line of another trail holds in itself; the second does not follow it.
        let line = if at == 0 { 2 } else { at as u64 + 1 };
        let expected =
            AuditError::Tampered { path: trail.path.clone(), line, found: Tampering::Mac };
        assert_eq!(trail.verify(), Err(expected));
    }
}

#[test]
fn foreign_lines_long_lines_and_lost_beginnings_have_names() {
    let trail = Trail::new();
    let lines = trail.raw_lines();
    let found = |line: &[u8]| {
        let mut changed = lines.clone();
        changed[16] = line.to_vec();
        trail.set_bytes(&changed.concat());
        match trail.verify() {
            Err(AuditError::Tampered { line: 17, found, .. }) => found,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found(b"\n"), Tampering::Unreadable);
    assert_eq!(found(b"no line\n"), Tampering::Unreadable);
    assert_eq!(found(&b"a".repeat(20_000)), Tampering::TooLong);
    // Its number is right, and its mac is that of another body.
    let moved =
        String::from_utf8(lines[17].clone()).unwrap().replace("\"number\":18", "\"number\":17");
    assert_eq!(found(moved.as_bytes()), Tampering::Mac);

    let first = String::from_utf8(lines[0].clone()).unwrap().replace("\"trail\"", "\"snail\"");
    trail.set_bytes(first.as_bytes());
    let beginning =
        AuditError::Tampered { path: trail.path.clone(), line: 1, found: Tampering::Beginning };
    assert_eq!(trail.verify(), Err(beginning));
}

#[test]
fn the_wrong_key_neither_verifies_nor_writes() {
    let trail = Trail::new();
    let before = trail.bytes();
    let wrong = AuditKey::new(&[8; 32]);
    let error = verify(&trail.path, &wrong, None).unwrap_err();
    assert!(matches!(error, AuditError::Tampered { line: 1, found: Tampering::Mac, .. }));
    assert!(error.to_string().contains("the key is not this trail's"), "{error}");

    let error = JsonLines::new(&trail.path, &wrong).record_blocking(&event(31)).unwrap_err();
    assert!(matches!(error, AuditError::End { found: Tampering::Mac, .. }), "{error}");
    assert_eq!(trail.bytes(), before);
}

#[test]
fn nothing_is_written_after_a_last_line_that_does_not_hold() {
    let trail = Trail::new();
    let original = trail.bytes();
    let last = original.len() - usize::try_from(trail_length_of_last_line(&original)).unwrap();
    for at in last..original.len() - 1 {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        trail.set_bytes(&bytes);
        let error = trail.sink().record_blocking(&event(31)).unwrap_err();
        assert!(matches!(error, AuditError::End { .. }), "byte {at}: {error}");
        assert_eq!(trail.bytes(), bytes);
    }
}

#[test]
fn a_tail_cut_by_lines_is_noticed_by_the_head() {
    let trail = Trail::new();
    let store = FileHeadStore::new(trail.path.with_extension("head"), &trail.key);
    let head = trail.head().unwrap();
    store.store(&head).unwrap();
    let lines = trail.raw_lines();
    for kept in 0..lines.len() {
        trail.set_bytes(&lines[..kept].concat());
        let found = kept as u64;
        assert_eq!(trail.verify().unwrap().lines, found, "nothing else gives it away");
        let truncated = AuditError::Truncated { path: trail.path.clone(), kept: head, found };
        let anchor = store.load().unwrap();
        assert_eq!(verify(&trail.path, &trail.key, anchor), Err(truncated.clone()));

        // A writer with the head does not go on; one without it does, and the head still shows it.
        let keeping = trail.sink().head_store(std::sync::Arc::new(store.clone()));
        assert_eq!(keeping.record_blocking(&event(31)), Err(truncated));
        trail.record(kept as u64..LINES + 2);
        let replaced = AuditError::Replaced { path: trail.path.clone(), kept: head };
        assert_eq!(verify(&trail.path, &trail.key, anchor), Err(replaced));
    }
}

#[test]
fn a_head_that_was_not_kept_lets_a_cut_tail_pass() {
    let trail = Trail::new();
    let store = FileHeadStore::new(trail.path.with_extension("head"), &trail.key);
    // The mistake: the sink was not given the store.
    let anchor = store.load().unwrap();
    trail.set_bytes(&trail.raw_lines()[..20].concat());
    assert_eq!(anchor, None);
    assert_eq!(verify(&trail.path, &trail.key, anchor).unwrap().lines, 20);
}

#[test]
fn lines_after_the_kept_head_are_welcome() {
    let trail = Trail::new();
    let head = trail.head();
    trail.record(31..=35);
    assert_eq!(verify(&trail.path, &trail.key, head).unwrap().lines, 35);
}

#[test]
fn a_kept_head_with_any_byte_changed_is_refused() {
    let trail = Trail::new();
    let path = trail.path.with_extension("head");
    let store = FileHeadStore::new(&path, &trail.key);
    store.store(&trail.head().unwrap()).unwrap();
    let original = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 0..original.len() - 1 {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        refused += u64::from(matches!(store.load(), Err(AuditError::Damaged { .. })));
    }
    assert_eq!(refused, original.len() as u64 - 1);
}
