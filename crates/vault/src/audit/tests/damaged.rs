//! Damage is closed, named and told of for ever; nothing of it is removed.

use std::sync::Arc;

use super::*;
use crate::audit::{FileHeadStore, HeadStore as _, Known, Repaired, StateMark, Tampering};

impl Trail {
    fn head_store(&self) -> Arc<FileHeadStore> {
        Arc::new(FileHeadStore::new(self.path.with_extension("head"), &self.key))
    }

    fn kept(&self) -> JsonLines {
        self.sink().head_store(self.head_store())
    }

    fn repair(&self) -> Option<Repaired> {
        self.kept().repair(5, Some("ops")).unwrap()
    }

    fn recall(&self) -> Known {
        futures_lite::future::block_on(crate::audit::AuditSink::recall(&self.kept()))
    }
}

/// Behind any damaged byte the trail goes on, keeps what there was and says what held.
#[test]
fn a_damaged_line_is_closed_and_told_of_for_ever() {
    for (line, rotated) in [(1, false), (2, false), (LINES, false), (LINES / 2, false), (3, true)] {
        let trail = Trail::empty();
        let sink = if rotated { trail.kept().rotate_at(4096) } else { trail.kept() };
        (1..=LINES).for_each(|time| sink.record_blocking(&event(time)).unwrap());
        assert_eq!(trail.repair(), None, "it holds");
        let first = if rotated { trail.path.with_extension("jsonl.1") } else { trail.path.clone() };
        let mut bytes = fs::read(&first).unwrap();
        let at: usize = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .take(usize::try_from(line).unwrap() - 1)
            .map(<[u8]>::len)
            .sum();
        bytes[at + 30] ^= 1;
        fs::write(&first, &bytes).unwrap();
        assert!(trail.verify().is_err());
        assert_eq!(trail.kept().record_blocking(&event(99)).is_err(), line == LINES);

        let repaired = trail.repair().unwrap();
        assert_eq!(repaired.held, line - 1);
        // The bytes are where they were, or beside it.
        let closed = fs::read(trail.path.with_extension("jsonl.1")).unwrap();
        assert!(closed.starts_with(&bytes), "it was changed");
        assert_eq!(repaired.files[0].name, "audit.jsonl.1");
        assert_eq!(trail.repair(), None, "it holds again");
        for time in 100..110 {
            trail.kept().record_blocking(&event(time)).unwrap();
        }
        let verified = verify(&trail.path, &trail.key, trail.head_store().load().unwrap()).unwrap();
        assert_eq!(verified.repaired, [repaired]);
        assert_eq!(verified.lines, line - 1 + 11);
        assert!(verified.head.unwrap().number > LINES + 10, "no number is used twice");

        // What was closed stays as it is.
        bytes[at + 31] ^= 1;
        fs::write(trail.path.with_extension("jsonl.1"), &bytes).unwrap();
        assert!(trail.verify().is_err());
    }
}

#[test]
fn a_cut_end_a_deleted_trail_and_a_damaged_head_are_closed_and_told_of() {
    for damage in 0..6 {
        let trail = Trail::empty();
        (1..=LINES).for_each(|time| trail.kept().record_blocking(&event(time)).unwrap());
        let id = trail.recall().trail.unwrap();
        let anchor = trail.head_store().load().unwrap().unwrap();
        match damage {
            0 => trail.set_bytes(&trail.raw_lines()[..20].concat()),
            1 => fs::remove_file(&trail.path).unwrap(),
            2 => fs::write(trail.path.with_extension("head"), "rubbish").unwrap(),
            // The rest of a line stays: alone, or behind lines that hold.
            4 => trail.set_bytes(&trail.bytes()[..7]),
            5 => trail.set_bytes(&[&trail.raw_lines()[..20].concat()[..], b"{\"num"].concat()),
            _ => {
                fs::remove_file(&trail.path).unwrap();
                fs::remove_file(trail.path.with_extension("head")).unwrap();
            }
        }
        let sink = trail.kept().of(&id);
        assert!(sink.record_blocking(&event(99)).unwrap_err().is_damage(), "{damage}");
        let repaired = sink.repair(5, None).unwrap().unwrap();
        assert_eq!(repaired.held, [20, 0, LINES, 0, 0, 20][damage]);
        sink.record_blocking(&event(99)).unwrap();
        let verified = verify(&trail.path, &trail.key, trail.head_store().load().unwrap()).unwrap();
        assert_eq!(verified.repaired, [repaired]);
        // The trail keeps its id; an anchor outside still shows that its lines are gone.
        assert_eq!(trail.recall().trail, Some(id));
        let anchored = verify(&trail.path, &trail.key, Some(anchor));
        assert_eq!(anchored.is_ok(), damage == 2, "{anchored:?}");
    }
}

/// Killed at any step, the repair is done again.
#[test]
fn an_interrupted_repair_is_done_again() {
    let trail = Trail::new();
    let mut bytes = trail.bytes();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    trail.set_bytes(&bytes);
    // The file has its new name, and of the new one there is nothing, or the beginning of a line.
    fs::rename(&trail.path, trail.path.with_extension("jsonl.1")).unwrap();
    for rest in [None, Some(""), Some("{\"number\":31")] {
        if let Some(rest) = rest {
            trail.set_bytes(rest.as_bytes());
        }
        let error = trail.kept().record_blocking(&event(99)).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }
    let repaired = trail.repair().unwrap();
    assert_eq!((repaired.held, repaired.files.len()), (LINES - 1, 2));
    trail.record([99]);
    assert_eq!(trail.verify().unwrap().repaired, [repaired]);
}

/// Recalling gives a service that starts again what it needs, by a summary or without, and only outcomes count.
#[test]
fn states_and_begun_changes_are_recalled_whatever_is_kept_of_them() {
    let trail = Trail::empty();
    let mark = |number: u64| StateMark { name: "r".to_owned(), number, mac: [7; 32] };
    let changed = |result, number| AuditEvent {
        state: Some(mark(number)),
        detail: Some(serde_json::json!({"at": number})),
        ..AuditEvent::new("revoke", result)
    };
    let place = trail.path.with_extension("jsonl.known");
    for number in 1..=400 {
        trail.sink().record_blocking(&changed(AuditResult::Begun, number)).unwrap();
        let failed = AuditResult::Failed("the disk is full".to_owned());
        trail.sink().record_blocking(&changed(failed, number)).unwrap();
        if number % 50 == 0 {
            let known = trail.recall();
            assert_eq!(known.states.get("r"), Some(&mark(number)), "{number}");
            assert_eq!(known.begun.len(), 1, "it failed and nothing came after");
        }
        trail.sink().record_blocking(&changed(AuditResult::Done, number + 1)).unwrap();
        let known = if number % 50 == 0 { trail.recall() } else { continue };
        assert_eq!((known.states.get("r"), known.begun.len()), (Some(&mark(number + 1)), 0));
    }
    let summary = fs::read(&place).unwrap();
    let known = trail.recall();
    for damaged in [&b""[..], b"{}", &summary[..summary.len() / 2]] {
        fs::write(&place, damaged).unwrap();
        assert_eq!(trail.recall(), known);
    }
    // What was known once is known still where the trail is damaged or gone.
    let mut bytes = trail.bytes();
    bytes[30] ^= 1;
    trail.set_bytes(&bytes);
    fs::write(&place, &summary).unwrap();
    assert_eq!(trail.recall().states["r"].number, known.states["r"].number);
    fs::remove_file(&trail.path).unwrap();
    let gone = trail.recall();
    assert!(gone.states["r"].number > 300 && gone.damage.is_some(), "{gone:?}");
}

#[test]
fn a_trail_of_another_format_is_refused_by_name() {
    let trail = Trail::empty();
    trail.set_bytes(b"{\"number\":1,\"trail\":\"00000000000000000000000000000000\",\"time\":1,\"operation\":\"unwrap\",\
        \"key\":null,\"resource\":null,\"identity\":null,\"result\":\"done\",\"duration_us\":1,\"caller\":null,\
        \"correlation_id\":null,\"mac\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n");
    let found = Tampering::Format { found: 1 };
    let error = trail.verify().unwrap_err();
    assert_eq!(error, AuditError::Tampered { path: trail.path.clone(), line: 1, found });
    assert!(error.to_string().contains("format 1"), "{error}");
}

/// A pipe in the place of a file is refused, and not waited for.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_the_trail_or_its_head_does_not_hang() {
    use rustix::fs::{CWD, Mode, mkfifoat};

    let trail = Trail::empty();
    mkfifoat(CWD, &trail.path, Mode::RUSR | Mode::WUSR).unwrap();
    for refused in [trail.verify().map(drop), trail.sink().record_blocking(&event(1))] {
        assert!(matches!(refused, Err(AuditError::Damaged { .. })), "{refused:?}");
    }
    fs::remove_file(&trail.path).unwrap();
    mkfifoat(CWD, trail.path.with_extension("head"), Mode::RUSR | Mode::WUSR).unwrap();
    assert!(trail.kept().record_blocking(&event(1)).is_err());
}
