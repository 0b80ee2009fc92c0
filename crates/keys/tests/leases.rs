//! Open documents of a resource: each reader checks the lease of its keys at each read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_io::AsyncRead;
use strongroom::document::{ChunkLen, Header, Layout, Run, StreamReader, WriteAt};
use strongroom_async::{AsyncRangeReader, AsyncStreamReader, FuturesIo, Options};
use strongroom_keys::Error;
use strongroom_keys::cache::{CacheSettings, Lease};
use strongroom_keys::resource::{
    Cause, DocumentError, Leased, LeasedOpener, LeasedReader, SealRequest,
};
use world::{Tasks, World, now};

const CHUNK: usize = 4096;
/// Bytes of each read: far less than a chunk, so that most of them are buffered.
const PIECE: usize = 100;
const LENGTH: usize = 40 * CHUNK;

/// A resource with an open document of forty chunks.
fn sealed(world: &World) -> Vec<u8> {
    let mut request = SealRequest::default();
    request.options.chunk_len = ChunkLen::new(4096).unwrap();
    now(world.resources.seal(&world.id, &vec![7; LENGTH], &request)).unwrap()
}

fn body(sealed: &[u8]) -> &[u8] {
    &sealed[Header::parse(sealed).unwrap().len()..]
}

/// Reader of an open document, a piece at a time.
enum Reader<'s> {
    Slice(LeasedOpener),
    Into(LeasedOpener),
    File(LeasedOpener),
    Range(LeasedOpener, Layout),
    At(LeasedReader<&'s [u8]>),
    Seek(LeasedReader<&'s [u8]>),
    Stream(Leased<StreamReader<&'s [u8]>>),
    Async(Leased<AsyncStreamReader<'s>>),
    AsyncRange(Leased<AsyncRangeReader<&'s [u8]>>),
}

const KINDS: usize = 9;

impl<'s> Reader<'s> {
    fn new(kind: usize, opener: LeasedOpener, sealed: &'s [u8]) -> Self {
        let body = body(sealed);
        match kind {
            0 => Self::Slice(opener),
            1 => Self::Into(opener),
            2 => Self::File(opener),
            3 => {
                let layout = opener.file_layout(sealed).unwrap();
                Self::Range(opener, layout)
            }
            4 => Self::At(opener.into_reader(sealed).unwrap()),
            5 => Self::Seek(opener.into_reader(sealed).unwrap()),
            6 => Self::Stream(opener.into_stream_reader(body, &Run::default()).unwrap()),
            7 => {
                let reader = now(opener.into_leased(async |opener| {
                    let options = Options::default();
                    Ok::<_, Infallible>(AsyncStreamReader::new(opener, FuturesIo(body), options))
                }));
                let Ok(reader) = reader;
                Self::Async(reader)
            }
            _ => {
                let reader = opener
                    .into_leased(async |opener| AsyncRangeReader::new(sealed, opener, None).await);
                Self::AsyncRange(now(reader).unwrap())
            }
        }
    }

    fn lease(&self) -> &Lease {
        match self {
            Self::Slice(opener)
            | Self::Into(opener)
            | Self::File(opener)
            | Self::Range(opener, _) => opener.lease(),
            Self::At(reader) | Self::Seek(reader) => reader.lease(),
            Self::Stream(reader) => reader.lease(),
            Self::Async(reader) => reader.lease(),
            Self::AsyncRange(reader) => reader.lease(),
        }
    }

    /// Reads on; the number of bytes that were handed out.
    fn read(&mut self, sealed: &[u8], step: usize) -> Result<usize, String> {
        let (mut piece, at) = ([0; PIECE], (step * PIECE % (LENGTH - PIECE)) as u64);
        let range = at..at + PIECE as u64;
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let read = match self {
            Self::Slice(opener) => opener.open_slice(sealed).map_err(|error| failed(&error))?.len(),
            Self::Into(opener) => {
                let mut text = vec![0; LENGTH];
                let opened = opener.open_into(sealed, &mut text);
                let expected = if opened.is_ok() { 7 } else { 0 };
                assert!(text.iter().all(|byte| *byte == expected));
                opened.map(|()| LENGTH).map_err(|error| failed(&error))?
            }
            Self::File(opener) => {
                let count = Count::default();
                let opened = opener.open_file(sealed, &count, &Run::default());
                let count = count.bytes.load(Ordering::SeqCst);
                match opened {
                    Err(error) if count == 0 => return Err(error.to_string()),
                    _handed_out => count,
                }
            }
            Self::Range(opener, layout) => {
                let records = layout.sealed_range(range.clone()).unwrap();
                let records =
                    usize::try_from(records.start).unwrap()..usize::try_from(records.end).unwrap();
                let opened = opener.open_range(layout, range, &sealed[records]);
                opened.map_err(|error| failed(&error))?.len()
            }
            Self::At(reader) => reader.read_at(&mut piece, at).map_err(|error| failed(&error))?,
            Self::Seek(reader) => {
                let read = reader.seek(SeekFrom::Start(at)).and_then(|_| reader.read(&mut piece));
                read.map_err(|error| failed(&error))?
            }
            Self::Stream(reader) => reader.read(&mut piece).map_err(|error| failed(&error))?,
            Self::Async(reader) => {
                let mut context = Context::from_waker(Waker::noop());
                let mut polled = || Pin::new(&mut *reader).poll_read(&mut context, &mut piece);
                let read = loop {
                    if let Poll::Ready(read) = polled() {
                        break read;
                    }
                };
                read.map_err(|error| failed(&error))?
            }
            Self::AsyncRange(reader) => {
                let read = reader.read_with(async |reader| reader.read(range).await);
                block(read).map_err(|error| failed(&error))?.len()
            }
        };
        assert!(read > 0, "a reader has ended: the document is too short for this test");
        Ok(read)
    }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    futures_lite::future::block_on(pin!(future))
}

type Act<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Counts what it is given, and may do something when it has so much.
#[derive(Default)]
struct Count<'a> {
    bytes: AtomicUsize,
    then: Option<(usize, Mutex<Option<Act<'a>>>)>,
    after: AtomicUsize,
}

impl<'a> Count<'a> {
    fn then(bytes: usize, act: impl FnOnce() + Send + 'a) -> Self {
        Self { then: Some((bytes, Mutex::new(Some(Box::new(act))))), ..Self::default() }
    }

    fn take(&self, bytes: &[u8]) {
        let before = self.bytes.fetch_add(bytes.len(), Ordering::SeqCst);
        let Some((least, act)) = &self.then else { return };
        if before + bytes.len() < *least {
            return;
        }
        match act.lock().unwrap().take() {
            Some(act) => act(),
            None => drop(self.after.fetch_add(bytes.len(), Ordering::SeqCst)),
        }
    }
}

impl WriteAt for Count<'_> {
    fn write_all_at(&self, bytes: &[u8], _offset: u64) -> io::Result<()> {
        self.take(bytes);
        Ok(())
    }
}

impl Write for &Count<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// 64 readers of all kinds that have read something already.
fn readers<'s>(world: &World, sealed: &'s [u8]) -> Vec<Reader<'s>> {
    let mut readers: Vec<_> =
        (0..64).map(|n| Reader::new(n % KINDS, world.opener(sealed).unwrap(), sealed)).collect();
    let bytes: usize = readers.iter_mut().map(|reader| reader.read(sealed, 0).unwrap()).sum();
    assert!(bytes > 64 * PIECE);
    readers
}

#[test]
fn a_refusal_stops_readers_of_each_kind_within_one_refresh() {
    let world = World::with_cmk();
    let sealed = sealed(&world);
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    let mut readers = readers(&world, &sealed);
    tasks.go(Duration::from_secs(17));
    world.customer_keys.disable(&world.cmk[0]);
    let refresh = CacheSettings::default().refresh.as_secs();
    let mut readable = Vec::new();
    for second in 0..refresh + 30 {
        let step = usize::try_from(second).unwrap();
        let read = readers.iter_mut().filter_map(|reader| reader.read(&sealed, step).ok());
        readable.push(read.collect::<Vec<usize>>());
        tasks.go(Duration::from_secs(1));
    }
    let stopped = readable.iter().position(Vec::is_empty).unwrap();
    assert!(stopped as u64 <= refresh, "some read for {stopped} s");
    assert!(readable[..stopped].iter().all(|read| read.len() == 64), "they stop together");
    assert!(readable[stopped..].iter().all(Vec::is_empty), "none goes on");
    assert_eq!(world.state(), "denied");
    for reader in &readers {
        assert!(matches!(
            reader.lease().check(),
            Err(Error::Denied { cause: Cause::Vault(_), .. })
        ));
    }
}

#[test]
fn no_read_that_begins_after_a_revocation_succeeds() {
    let world = World::with_cmk();
    let sealed = sealed(&world);
    let mut readers = readers(&world, &sealed);
    now(world.resources.revoke_now(&world.id)).unwrap();
    let mut handed_out = 0;
    for step in 1..20 {
        for reader in &mut readers {
            match reader.read(&sealed, step) {
                Ok(bytes) => handed_out += bytes,
                Err(error) => assert!(error.contains("revoked"), "{error}"),
            }
        }
    }
    assert_eq!(handed_out, 0);
}

/// A file and a stream that are on their way: the pieces behind the revocation do not come out.
#[test]
fn what_is_on_its_way_stops_at_the_next_piece() {
    let world = World::with_cmk();
    let sealed = sealed(&world);
    let half = LENGTH / 2;
    for stream in [false, true] {
        let opener = world.opener(&sealed).unwrap();
        let revoke = || now(world.resources.revoke_now(&world.id)).unwrap();
        let count = Count::then(half, revoke);
        let opened = if stream {
            let body = &mut body(&sealed);
            opener.open_stream(body, &mut &count, &Run::default())
        } else {
            opener.open_file(&sealed[..], &count, &Run::default())
        };
        let refused = matches!(
            opened,
            Err(DocumentError::Resource(Error::Denied { cause: Cause::Revoked, .. }))
        );
        assert!(refused, "{opened:?}");
        assert_eq!(count.after.load(Ordering::SeqCst), 0, "handed out after the revocation");
        let bytes = count.bytes.load(Ordering::SeqCst);
        assert!((half..half + CHUNK).contains(&bytes), "{bytes} bytes before it");
        now(world.resources.refresh(&world.id)).unwrap();
    }
}

/// A read that begins before a revocation and ends after it hands out nothing either.
#[test]
fn a_read_that_a_revocation_overtakes_is_wiped() {
    struct Slow<'a>(&'a World, &'a [u8], AtomicUsize);

    impl strongroom::document::ReadAt for Slow<'_> {
        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            if self.2.fetch_add(1, Ordering::SeqCst) == 1 {
                now(self.0.resources.revoke_now(&self.0.id)).unwrap();
            }
            self.1.read_exact_at(buffer, offset)
        }

        fn byte_len(&self) -> io::Result<u64> {
            Ok(self.1.len() as u64)
        }
    }

    let world = World::with_cmk();
    let sealed = sealed(&world);
    let source = Slow(&world, &sealed, AtomicUsize::new(0));
    let reader = world.opener(&sealed).unwrap().into_reader(source).unwrap();
    let mut piece = [0; PIECE];
    reader.read_exact_at(&mut piece, 0).unwrap();
    assert_eq!(piece, [7; PIECE]);
    assert!(reader.read_exact_at(&mut piece, 0).is_err(), "revoked while it was read");
    assert_eq!(piece, [0; PIECE]);
}

/// The keys' time is up and no vault answers: readers stop, and go on when it answers.
#[test]
fn readers_stop_when_the_keys_time_is_up_and_go_on_when_the_vault_is_back() {
    let world = World::with_cmk();
    let sealed = sealed(&world);
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    let mut readers = readers(&world, &sealed);
    world.customer.always(strongroom_keys::testing::Fault::Fail);
    tasks.go(CacheSettings::default().max_age);
    for reader in &mut readers {
        assert!(reader.read(&sealed, 1).unwrap_err().contains("cannot be reached at the moment"));
    }
    world.customer.always(strongroom_keys::testing::Fault::None);
    tasks.go(Duration::from_secs(2));
    for reader in &mut readers {
        reader.read(&sealed, 2).unwrap();
    }
}
