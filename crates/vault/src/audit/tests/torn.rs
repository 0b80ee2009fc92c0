//! Torn lines after a crash: mended, with a record of the mending.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::audit::chain::sha256;
use crate::audit::disk::{Disk, RealDisk};
use crate::hex;

/// Records one more event, and checks that a line about `torn` stands before it, after `whole` lines.
fn mended_after(trail: &Trail, whole: u64, torn: &[u8]) {
    let before = trail.verify().unwrap();
    assert_eq!((before.lines, before.mended), (whole, 0));
    assert_eq!(before.torn.map(|torn| torn.length), Some(torn.len() as u64));

    trail.record([99]);
    let (lines, verified) = trail.lines();
    let verified = verified.unwrap();
    assert_eq!((verified.lines, verified.mended, verified.torn), (whole + 2, 1, None));
    let [.., mending, last] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(mending.event.operation, "mend-audit-trail");
    let noted = mending.torn.as_ref().unwrap();
    assert_eq!((noted.length, &noted.sha256), (torn.len() as u64, &hex::encode(&sha256(torn))));
    assert_eq!((last.event.time, &last.torn), (99, &None));
}

#[test]
fn a_line_torn_at_any_byte_is_mended() {
    let trail = Trail::new();
    let lines = trail.raw_lines();
    let (last, whole) = lines.split_last().unwrap();
    for kept in 1..last.len() {
        let torn = &last[..kept];
        trail.set_bytes(&[whole.concat().as_slice(), torn].concat());
        mended_after(&trail, LINES - 1, torn);
    }
}

#[test]
fn a_first_line_torn_at_any_byte_is_mended() {
    let trail = Trail::empty();
    trail.record([1]);
    let line = trail.bytes();
    for kept in 1..line.len() {
        trail.set_bytes(&line[..kept]);
        mended_after(&trail, 0, &line[..kept]);
    }
}

#[test]
fn a_rest_of_zeros_or_rubbish_is_torn_unless_it_is_longer_than_a_line() {
    let trail = Trail::new();
    let whole = trail.bytes();
    for torn in [vec![0; 4096], vec![0xff; 16 * 1024]] {
        trail.set_bytes(&[whole.as_slice(), &torn].concat());
        mended_after(&trail, LINES, &torn);
    }
    trail.set_bytes(&[whole.as_slice(), &vec![0; 16 * 1024 + 1]].concat());
    let found = crate::audit::Tampering::TooLong;
    let error = trail.verify().unwrap_err();
    assert_eq!(error, AuditError::Tampered { path: trail.path.clone(), line: 31, found });
    let error = trail.sink().record_blocking(&event(99)).unwrap_err();
    assert_eq!(error, AuditError::End { path: trail.path.clone(), found });
}

/// A disk that takes so many bytes and steps, and then none: the process is gone.
#[derive(Debug)]
struct Dying(AtomicUsize);

impl Dying {
    /// Number of `wanted` bytes or steps that are still done.
    fn take(&self, wanted: usize) -> usize {
        let left = self.0.load(Ordering::SeqCst);
        self.0.store(left.saturating_sub(wanted), Ordering::SeqCst);
        left.min(wanted)
    }

    fn step(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.take(1) == 1 { work() } else { Err(io::Error::other("the process is gone")) }
    }
}

impl Disk for Dying {
    fn append(&self, file: &File, line: &[u8]) -> io::Result<()> {
        let done = self.take(line.len());
        RealDisk.append(file, &line[..done])?;
        self.step(|| Ok(()))
    }

    fn overwrite(&self, _: &File, path: &Path, offset: u64, line: &[u8]) -> io::Result<()> {
        let done = self.take(line.len());
        File::options().write(true).open(path)?.write_all_at(&line[..done], offset)?;
        self.step(|| Ok(()))
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        self.step(|| RealDisk.cut(file, length))
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        self.step(|| Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|| RealDisk.rename(from, to))
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        self.step(|| Ok(()))
    }
}

#[test]
fn a_crash_at_any_byte_of_mending_and_writing_is_mended_in_turn() {
    let trail = Trail::new();
    let whole = trail.bytes();
    // Shorter than the line about it, and longer.
    for torn in [vec![b'{'; 10], vec![b'{'; 5_000]] {
        let mut recorded = 0;
        let mut mendings = Vec::new();
        for budget in 0.. {
            trail.set_bytes(&[whole.as_slice(), &torn].concat());
            let dying = Arc::new(Dying(AtomicUsize::new(budget)));
            let sink = JsonLines::on(dying, trail.path.clone(), &trail.key);
            let outcome = sink.record_blocking(&event(98));
            trail.record([99]);
            let (lines, verified) = trail.lines();
            let verified = verified.unwrap();
            assert!(verified.mended >= 1 && verified.torn.is_none(), "{budget}: {verified:?}");
            mendings.push(verified.mended);
            assert!((1..=LINES).zip(&lines).all(|(time, line)| line.event.time == time));
            // What counts as recorded is there.
            let there = lines.iter().any(|line| line.event.time == 98 && line.torn.is_none());
            assert!(there || outcome.is_err(), "{budget}");
            recorded += u64::from(there);
            if outcome.is_ok() {
                break;
            }
        }
        assert!(recorded > 0 && mendings.len() > 500, "{recorded} of {}", mendings.len());
        assert!(mendings.contains(&1) && mendings.contains(&2), "{mendings:?}");
    }
}

#[test]
fn a_crash_at_any_byte_of_an_event_loses_no_other() {
    let trail = Trail::new();
    let whole = trail.bytes();
    let mut torn = 0;
    for budget in 0.. {
        trail.set_bytes(&whole);
        let dying = Arc::new(Dying(AtomicUsize::new(budget)));
        let sink = JsonLines::on(dying, trail.path.clone(), &trail.key);
        let outcome = sink.record_blocking(&event(98));
        let verified = trail.verify().unwrap();
        torn += u64::from(verified.torn.is_some());
        assert!(verified.lines >= LINES);
        if outcome.is_ok() {
            assert_eq!(verified.lines, LINES + 1);
            break;
        }
    }
    assert!(torn > 200, "{torn}");
}
