//! Durability of events before they count as recorded, watched at the disk.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::audit::HeadStore;
use crate::audit::disk::{Disk, RealDisk};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Append,
    Overwrite,
    Cut,
    Sync,
    Rename,
    SyncDirectory,
    HeadKept,
    /// The sink said that the event is recorded.
    Recorded,
}

/// Writes down what is done, and does it.
#[derive(Clone, Debug, Default)]
struct Recorder {
    steps: Arc<Mutex<Vec<Step>>>,
    head: Arc<Mutex<Option<Head>>>,
}

impl Recorder {
    fn note(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    /// The steps since the last look.
    fn steps(&self) -> Vec<Step> {
        std::mem::take(&mut *self.steps.lock().unwrap())
    }
}

impl Disk for Recorder {
    fn append(&self, file: &File, line: &[u8]) -> io::Result<()> {
        self.note(Step::Append);
        RealDisk.append(file, line)
    }

    fn overwrite(&self, file: &File, path: &Path, offset: u64, line: &[u8]) -> io::Result<()> {
        self.note(Step::Overwrite);
        RealDisk.overwrite(file, path, offset, line)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        self.note(Step::Cut);
        RealDisk.cut(file, length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.note(Step::Sync);
        RealDisk.sync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(Step::Rename);
        RealDisk.rename(from, to)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.note(Step::SyncDirectory);
        RealDisk.sync_directory(directory)
    }
}

impl HeadStore for Recorder {
    fn load(&self) -> Result<Option<Head>, AuditError> {
        Ok(*self.head.lock().unwrap())
    }

    fn store(&self, head: &Head) -> Result<(), AuditError> {
        self.note(Step::HeadKept);
        *self.head.lock().unwrap() = Some(*head);
        Ok(())
    }
}

/// Gaps by which a power failure could undo an event that counts as recorded.
fn complaints(steps: &[Step]) -> Vec<&'static str> {
    let mut complaints = Vec::new();
    let (mut unsynced, mut unnamed, mut unkept) = (false, false, false);
    for step in steps {
        match step {
            Step::Append => (unsynced, unkept) = (true, true),
            Step::Overwrite | Step::Cut => unsynced = true,
            Step::Sync => unsynced = false,
            Step::Rename => unnamed = true,
            Step::SyncDirectory => unnamed = false,
            Step::HeadKept if unsynced => {
                complaints.push("a head is kept of a line that may vanish");
            }
            Step::HeadKept => unkept = false,
            Step::Recorded if unsynced => complaints.push("a line may vanish"),
            Step::Recorded if unnamed => complaints.push("a file may lose its name"),
            Step::Recorded if unkept => complaints.push("a head is not kept"),
            Step::Recorded => {}
        }
    }
    complaints
}

/// Records events in a trail that is torn once, through `change`; the steps taken.
fn watch(change: impl Fn(JsonLines, Recorder) -> JsonLines) -> Vec<Step> {
    let trail = Trail::empty();
    let recorder = Recorder::default();
    let sink = JsonLines::on(Arc::new(recorder.clone()), trail.path.clone(), &trail.key);
    let sink = change(sink.rotate_at(3_000), recorder.clone());
    for time in 1..=LINES {
        if time == 20 {
            let torn = [trail.bytes().as_slice(), b"{\"number\":"].concat();
            trail.set_bytes(&torn);
        }
        sink.record_blocking(&event(time)).unwrap();
        recorder.note(Step::Recorded);
    }
    assert_eq!(trail.verify().unwrap().lines, LINES + 1);
    recorder.steps()
}

#[test]
fn each_event_is_durable_and_its_head_kept_before_it_counts() {
    let steps = watch(|sink, recorder| sink.head_store(Arc::new(recorder)));
    assert_eq!(complaints(&steps), Vec::<&str>::new());
    let count = |step| steps.iter().filter(|found| **found == step).count();
    assert_eq!((count(Step::Append), count(Step::Overwrite)), (30, 1));
    assert_eq!((count(Step::Sync), count(Step::HeadKept)), (31, 30));
    assert!(count(Step::Rename) >= 2);
    // The name of each file: where it is made, and where it is full.
    assert_eq!(count(Step::SyncDirectory), 1 + 2 * count(Step::Rename));
}

#[test]
fn a_sync_left_out_is_caught() {
    let found = watch(|sink, recorder| sink.head_store(Arc::new(recorder)).sync(Sync::Never));
    assert!(complaints(&found).contains(&"a line may vanish"));
    assert!(complaints(&found).contains(&"a head is kept of a line that may vanish"));
}

#[test]
fn a_head_that_is_not_kept_is_caught() {
    let found = watch(|sink, _| sink);
    assert_eq!(complaints(&found), vec!["a head is not kept"; 30]);
}
