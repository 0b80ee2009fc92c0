//! Files that misbehave: wrong lengths, changes meanwhile, writes that go elsewhere or nowhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::fs::{self, File};
use std::io;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use strongroom::Error;
use strongroom::document::{
    self, ChunkLen, Durable, Header, OpenOptions, Opener, PlaintextLen, ReadAt, Rewrap,
    RewrapOptions, Run, SealOptions, Sealer, WriteAt, destroy_header,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

fn text(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn wrapping() -> WrappingKey {
    WrappingKey::aes(KeyId::new("vault/a/1").unwrap(), Secret::copy_from(&[7; 32]))
}

fn unwrapping() -> [UnwrappingKey; 1] {
    [UnwrappingKey::aes(KeyId::new("vault/a/1").unwrap(), Secret::copy_from(&[7; 32]))]
}

fn options() -> SealOptions {
    SealOptions { chunk_len: ChunkLen::new(4096).unwrap(), ..SealOptions::default() }
}

fn sealer(length: u64) -> Sealer {
    Sealer::new(PlaintextLen::Known(length), &[wrapping()], &options()).unwrap()
}

fn sealed(length: usize) -> Vec<u8> {
    document::seal(&text(length), &[wrapping()], &options()).unwrap()
}

fn opener(sealed: &[u8]) -> Opener {
    let header = Header::parse(sealed).unwrap();
    header.unlock_with(&unwrapping(), &OpenOptions::default()).unwrap()
}

fn rewrap(sealed: &[u8]) -> Rewrap {
    let header = Header::parse(sealed).unwrap();
    let mut rewrap = header.rewrap_with(&unwrapping(), &RewrapOptions::default()).unwrap();
    let id = KeyId::new("vault/a/2").unwrap();
    rewrap.add(1, &WrappingKey::aes(id, Secret::copy_from(&[8; 32]))).unwrap();
    rewrap
}

/// An input that says what it likes about itself.
struct Liar<'t> {
    text: &'t [u8],
    length: u64,
    /// Modification times that it reports, one call after the other.
    modified: Mutex<Vec<SystemTime>>,
}

impl ReadAt for Liar<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.text.read_exact_at(buffer, offset)
    }

    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn modified(&self) -> io::Result<Option<SystemTime>> {
        Ok(self.modified.lock().unwrap().pop())
    }
}

#[test]
fn an_input_that_tells_a_wrong_length_is_refused() {
    let text = text(50_000);
    for length in [0, 100, 4095, 4096, 4097, 40_960, 49_999, 50_001, 60_000] {
        let input = Liar { text: &text, length, modified: Mutex::default() };
        let to = tempfile::tempfile().unwrap();
        let error = sealer(length).seal_file(&input, &to, &Run::default()).unwrap_err();
        assert!(
            matches!(error, Error::InputChanged { expected } if expected == length),
            "{length}: {error}"
        );
    }
    let input = Liar { text: &text, length: 50_000, modified: Mutex::default() };
    let to = tempfile::tempfile().unwrap();
    sealer(50_000).seal_file(&input, &to, &Run::default()).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_length_is_refused_where_it_has_bytes() {
    let input = File::open("/proc/self/status").unwrap();
    assert_eq!(input.byte_len().unwrap(), 0);
    let to = tempfile::tempfile().unwrap();
    let error = sealer(0).seal_file(&input, &to, &Run::default()).unwrap_err();
    assert!(matches!(error, Error::InputChanged { expected: 0 }), "{error}");
}

#[test]
fn an_input_that_was_modified_meanwhile_is_refused() {
    let text = text(10_000);
    let [one, other] = [1, 2].map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    for (modified, holds) in [([one, one], true), ([one, other], false), ([other, one], false)] {
        let input = Liar { text: &text, length: 10_000, modified: Mutex::new(modified.to_vec()) };
        let to = tempfile::tempfile().unwrap();
        let outcome = sealer(10_000).seal_file(&input, &to, &Run::default());
        assert_eq!(outcome.is_ok(), holds);
        assert!(holds || matches!(outcome, Err(Error::InputChanged { expected: 10_000 })));
    }
}

/// A change of bytes changes a file's time, one of its names or its mode does not.
#[cfg(unix)]
#[test]
fn a_file_tells_when_its_bytes_were_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    fs::write(&path, text(10_000)).unwrap();
    let input = File::open(&path).unwrap();
    let sealed_while = |change: &(dyn Fn() + Sync)| {
        let to = tempfile::tempfile().unwrap();
        let run = Run { progress: Some(&|_| change()), ..Run::default() };
        sealer(10_000).seal_file(&input, &to, &run)
    };
    assert!(sealed_while(&|| {}).is_ok());
    let link = folder.path().join("link");
    assert!(
        sealed_while(&|| {
            use std::os::unix::fs::PermissionsExt as _;
            let _ = fs::hard_link(&path, &link);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        })
        .is_ok()
    );
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let times = |at| fs::FileTimes::new().set_modified(at);
    let changed = sealed_while(&|| {
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(times(SystemTime::UNIX_EPOCH)).unwrap();
    });
    assert!(matches!(changed, Err(Error::InputChanged { expected: 10_000 })));
}

/// A file of these bytes that is open for appending, for reading as well where `read`.
#[cfg(target_os = "linux")]
fn appending(folder: &std::path::Path, bytes: &[u8], read: bool) -> (std::path::PathBuf, File) {
    let path = folder.join("appending");
    fs::write(&path, bytes).unwrap();
    let file = File::options().append(true).read(read).open(&path).unwrap();
    (path, file)
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_open_for_appending_is_refused_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let document = sealed(10_000);
    let mut refused = 0;
    let mut check = |held: &[u8], read, work: &dyn Fn(&File) -> Result<(), Error>| {
        let (path, file) = appending(folder.path(), held, read);
        let error = work(&file).unwrap_err();
        assert!(error.to_string().contains("open for appending"), "{error}");
        assert_eq!(fs::read(path).unwrap(), held);
        refused += 1;
    };
    for read in [true, false] {
        for held in [&b""[..], b"x", &[1; 15_000]] {
            check(held, read, &|file| {
                sealer(10_000).seal_file(&text(10_000)[..], file, &Run::default()).map(drop)
            });
            check(held, read, &|file| {
                opener(&document).open_file(&document[..], file, &Run::default()).map(drop)
            });
        }
    }
    check(&document, true, &|file| rewrap(&document).write_in_place(file));
    check(&document, true, &|file| destroy_header(file));
    assert_eq!(refused, 14);
}

#[test]
fn a_file_takes_its_whole_length_from_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for held in [0, 10, 50_000] {
        for read in [true, false] {
            fs::write(&path, text(held)).unwrap();
            let file = File::options().write(true).read(read).open(&path).unwrap();
            sealer(10_000).seal_file(&text(10_000)[..], &file, &Run::default()).unwrap();
            let sealed = fs::read(&path).unwrap();
            assert_eq!(opener(&sealed).open_slice(&sealed).unwrap(), text(10_000));

            fs::write(&path, text(held)).unwrap();
            let file = File::options().write(true).read(read).open(&path).unwrap();
            opener(&sealed).open_file(&sealed[..], &file, &Run::default()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), text(10_000));
        }
    }
}

/// Somebody else cuts the output before it is whole.
#[test]
fn an_output_of_another_length_is_no_success() {
    let document = sealed(10_000);
    let to = tempfile::tempfile().unwrap();
    let cut = |_| to.set_len(100).unwrap();
    let run = Run { progress: Some(&cut), ..Run::default() };
    let error = sealer(10_000).seal_file(&text(10_000)[..], &to, &run).unwrap_err();
    assert!(error.to_string().contains("it has 100 bytes"), "{error}");
    let error = opener(&document).open_file(&document[..], &to, &run).unwrap_err();
    assert!(error.to_string().contains("it has 100 bytes, and 10000 were written"), "{error}");
}

/// A file whose writes go wrong in silence from the `good`th on.
struct Faithless {
    bytes: Mutex<Vec<u8>>,
    good: Mutex<usize>,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing is written.
    Lost,
    /// The bytes go to the end.
    Appended,
    /// One bit is another.
    Flipped,
}

impl ReadAt for Faithless {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().read_exact_at(buffer, offset)
    }

    fn byte_len(&self) -> io::Result<u64> {
        self.bytes.lock().unwrap().byte_len()
    }
}

impl WriteAt for Faithless {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut held = self.bytes.lock().unwrap();
        let mut good = self.good.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        if *good > 0 || self.fault == Fault::Flipped {
            held[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        match self.fault {
            Fault::Appended if *good == 0 => held.extend(bytes),
            Fault::Flipped if *good == 0 => held[offset + bytes.len() / 2] ^= 1,
            _ => {}
        }
        *good = good.saturating_sub(1);
        Ok(())
    }
}

impl Durable for Faithless {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_write_that_did_not_happen_is_no_success_and_nothing_else_is_touched() {
    let document = sealed(10_000);
    let faithless = |good, fault| Faithless {
        bytes: Mutex::new(document.clone()),
        good: Mutex::new(good),
        fault,
    };
    for fault in [Fault::Lost, Fault::Appended, Fault::Flipped] {
        let error = destroy_header(&faithless(0, fault)).unwrap_err();
        assert!(error.to_string().contains("does not hold what was written"), "{error}");
        // The old slot once more, the new one into the other place, the new one over the old.
        for good in 0..3 {
            let file = faithless(good, fault);
            let outcome = rewrap(&document).write_in_place(&file);
            let error = outcome.expect_err("a write went wrong").to_string();
            assert!(error.contains("does not hold what was written"), "{error}");
            if good == 0 && fault == Fault::Flipped {
                continue; // every write spoils something: nothing is left to be whole
            }
            let left = file.bytes.into_inner().unwrap();
            let whole = Header::parse(&left).unwrap();
            whole.unlock_with(&unwrapping(), &OpenOptions::default()).unwrap();
            assert_eq!(whole.generation(), 1 + u64::from(good == 2));
        }
        rewrap(&document).write_in_place(&faithless(3, fault)).unwrap();
    }
}

#[test]
fn a_damaged_or_cut_header_is_destroyed_and_a_stranger_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("document");
    let destroy = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let outcome = destroy_header(&file);
        (outcome, fs::read(&path).unwrap())
    };
    let document = sealed(10_000);
    let zeros = [vec![0; 2560], document[2560..].to_vec()].concat();
    let mut damaged = document.clone();
    for at in [700, 1800] {
        damaged[at] ^= 1;
    }
    assert!(Header::parse(&damaged).is_err());
    for bytes in [&document, &damaged] {
        let (outcome, left) = destroy(bytes);
        outcome.unwrap();
        assert!(left == zeros);
    }
    for length in [136, 600, 1536, 2559] {
        let (outcome, left) = destroy(&document[..length]);
        outcome.unwrap();
        assert_eq!(left, vec![0; length]);
    }
    let mut geometry = document.clone();
    geometry[130] = 1;
    for bytes in [&b""[..], b"someone's file", &document[..135], &geometry, &zeros] {
        let (outcome, left) = destroy(bytes);
        assert!(matches!(outcome, Err(Error::Format { .. })));
        assert!(left == bytes);
    }
}
