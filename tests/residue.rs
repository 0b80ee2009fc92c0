//! Residue in freed memory: no block as long as a chunk goes back to the heap with anything in it.
//!
//! In a binary of its own: the allocator sees what every thread frees.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]
#![allow(unsafe_code, reason = "an allocator that looks at what is freed is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use strongroom::document::{
    ChunkLen, Header, Layers, OpenOptions, Opener, PlaintextLen, SealOptions, Sealer, Slots,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const CHUNK: usize = 4096;
/// Of the last chunk; longer than anything else that is allocated here.
const TAIL: usize = 3000;
const LOOKED_AT: usize = TAIL;

struct Looking;

static LOOKS: AtomicBool = AtomicBool::new(false);
static FREED: AtomicUsize = AtomicUsize::new(0);
static UNWIPED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it does what `System` does, with the same arguments.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that all of a block may be read when it is freed.
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKS.load(Ordering::Relaxed) && layout.size() >= LOOKED_AT {
            // SAFETY: the block is the caller's until it is freed below, and was zeroed when it was made.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            FREED.fetch_add(1, Ordering::Relaxed);
            UNWIPED.fetch_add(usize::from(bytes.iter().any(|byte| *byte != 0)), Ordering::Relaxed);
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Looking = Looking;

/// Runs `work`; gives how many long blocks it has freed, and how many of them with something in them.
fn freed_by<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    FREED.store(0, Ordering::Relaxed);
    UNWIPED.store(0, Ordering::Relaxed);
    LOOKS.store(true, Ordering::Relaxed);
    let result = work();
    LOOKS.store(false, Ordering::Relaxed);
    (result, FREED.load(Ordering::Relaxed), UNWIPED.load(Ordering::Relaxed))
}

fn opener(two_layers: bool) -> (Vec<u8>, Opener) {
    let ids = ["service/1", "customer/1"].map(|name| KeyId::new(name).unwrap());
    let wrapping = ids.clone().map(|id| [WrappingKey::aes(id, Secret::copy_from(&[7; 32]))]);
    let layers = if two_layers {
        Layers::Two { service: &wrapping[0], customer: &wrapping[1] }
    } else {
        Layers::One(&wrapping[0])
    };
    let chunk_len = ChunkLen::new(CHUNK as u64).unwrap();
    let options = SealOptions { chunk_len, slots: Slots::One, ..SealOptions::default() };
    let sealer = Sealer::new(PlaintextLen::Stream, layers, &options).unwrap();
    let sealed = sealer.seal_slice(&[5; 2 * CHUNK + TAIL]).unwrap();
    let keys = ids.map(|id| UnwrappingKey::aes(id, Secret::copy_from(&[7; 32])));
    let opener = Header::parse(&sealed).unwrap();
    (sealed, opener.unlock_with(&keys, &OpenOptions::default()).unwrap())
}

#[test]
fn what_is_freed_was_wiped() {
    // The allocator sees what is not.
    let ((), freed, unwiped) = freed_by(|| drop(std::hint::black_box(vec![1_u8; LOOKED_AT])));
    assert_eq!((freed, unwiped), (1, 1));

    for two_layers in [false, true] {
        // The short last chunk first, so that its buffer is too small for the others.
        let (sealed, opener_of_reader) = opener(two_layers);
        let mut text = [0; CHUNK];
        let ((), freed, unwiped) = freed_by(|| {
            let mut reader = opener_of_reader.into_reader(&sealed[..]).unwrap();
            for start in [2 * CHUNK, 0] {
                let length = (2 * CHUNK + TAIL - start).min(CHUNK);
                reader.read_exact_at(&mut text[..length], start as u64).unwrap();
                assert!(text[..length].iter().all(|byte| *byte == 5));
                reader.seek(SeekFrom::Start(start as u64)).unwrap();
                reader.read_exact(&mut text[..length]).unwrap();
            }
        });
        assert!(freed >= 4, "{freed}");
        assert_eq!(unwiped, 0, "a reader of two layers: {two_layers}");

        // Between the layers a chunk is sealed under one key only.
        let (sealed, opener) = opener(two_layers);
        let layout = opener.file_layout(&sealed[..]).unwrap();
        let range = layout.sealed_range(0..10).unwrap();
        let record = &sealed[range.start.try_into().unwrap()..range.end.try_into().unwrap()];
        let (texts, freed, unwiped) = freed_by(|| {
            (
                opener.open_slice(&sealed).unwrap(),
                opener.open_range(&layout, 0..10, record).unwrap(),
            )
        });
        assert_eq!(texts.0, [5; 2 * CHUNK + TAIL]);
        assert_eq!(texts.1, [5; 10]);
        assert_eq!((freed > 0, unwiped), (two_layers, 0), "slices of two layers: {two_layers}");
    }
}
