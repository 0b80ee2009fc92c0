//! Keys, texts and documents that the engine's synchronous side seals and opens.

use std::sync::Arc;

use rayon::ThreadPool;
use strongroom::Error;
use strongroom::document::{
    ChunkLen, Header, Layers, OpenOptions, Opener, PlaintextLen, Run, SealOptions, Sealer, Totals,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
use strongroom_async::Options;

pub(crate) const CHUNK: usize = 4096;
/// Greatest length in bytes that is computed in the task.
pub(crate) const INLINE: usize = 256 * 1024;

fn key_id(layer: u8) -> KeyId {
    KeyId::new(&format!("vault/layer-{layer}/1")).unwrap()
}

pub(crate) fn sealer(length: PlaintextLen, layers: u8) -> Sealer {
    sealer_of_chunks(CHUNK, length, layers)
}

pub(crate) fn sealer_of_chunks(chunk: usize, length: PlaintextLen, layers: u8) -> Sealer {
    let chunk_len = ChunkLen::new(chunk as u64).unwrap();
    let options = SealOptions { chunk_len, ..SealOptions::default() };
    let key = |layer| [WrappingKey::aes(key_id(layer), Secret::copy_from(&[layer; 32]))];
    let (inner, outer) = (key(1), key(2));
    match layers {
        1 => Sealer::new(length, &inner, &options).unwrap(),
        _ => Sealer::new(length, Layers::Two { service: &inner, customer: &outer }, &options)
            .unwrap(),
    }
}

pub(crate) fn unlock(header: &Header) -> Opener {
    let keys =
        [1, 2].map(|layer| UnwrappingKey::aes(key_id(layer), Secret::copy_from(&[layer; 32])));
    header.unlock_with(&keys, &OpenOptions::default()).unwrap()
}

pub(crate) fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(i * 131 % 251).unwrap()).collect()
}

pub(crate) fn known(text: &[u8]) -> PlaintextLen {
    PlaintextLen::Known(text.len() as u64)
}

/// A document that the engine sealed.
pub(crate) fn sealed(text: &[u8], length: PlaintextLen, layers: u8) -> Vec<u8> {
    let mut sealed = Vec::new();
    sealer(length, layers).seal_stream(&mut &*text, &mut sealed, &Run::default()).unwrap();
    sealed
}

/// Opens a document with the engine: the text that it gave out, and the outcome.
pub(crate) fn engine_opens(mut sealed: &[u8]) -> (Vec<u8>, Result<Totals, Error>) {
    let mut text = Vec::new();
    let outcome = Header::read(&mut sealed)
        .and_then(|header| unlock(&header).open_stream(&mut sealed, &mut text, &Run::default()));
    (text, outcome)
}

/// Two threads and four chunks a batch: a long document takes many.
pub(crate) fn many_batches() -> Options<'static> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    Options { memory: 3 * 4 * (CHUNK + 32), pool: Some(Arc::new(pool)), progress: None }
}

/// A pool of one thread, which is busy until the sender is dropped or sends.
pub(crate) fn busy_pool() -> (Arc<ThreadPool>, std::sync::mpsc::Sender<()>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (release, released) = std::sync::mpsc::channel();
    pool.spawn(move || {
        let _ = released.recv();
    });
    (Arc::new(pool), release)
}
