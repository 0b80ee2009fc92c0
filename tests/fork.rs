//! A forked child holds what its parent was about to seal with, and must not use it: two texts under one
//! key and nonce would give both away.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::io::Write as _;

use fork::{Fork, fork, waitpid};
use strongroom::Error;
use strongroom::document::{
    BatchSealer, ChunkLen, Header, OpenOptions, Opener, PlaintextLen, Run, SealOptions, Sealer,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const TEXT: &[u8] = b"what both processes hold";

fn sealer() -> Sealer {
    let key = WrappingKey::aes(KeyId::new("vault/a/1").unwrap(), Secret::copy_from(&[7; 32]));
    let options = SealOptions { chunk_len: ChunkLen::new(4096).unwrap(), ..SealOptions::default() };
    Sealer::new(PlaintextLen::Known(TEXT.len() as u64), &[key], &options).unwrap()
}

fn opener(sealed: &[u8]) -> Opener {
    let key = UnwrappingKey::aes(KeyId::new("vault/a/1").unwrap(), Secret::copy_from(&[7; 32]));
    Header::parse(sealed).unwrap().unlock_with(&[key], &OpenOptions::default()).unwrap()
}

/// Uses `live` in a child and in this process; tells whether it worked in the child.
fn in_both<T, R>(live: T, work: impl Fn(T) -> Result<R, Error>) -> (bool, R) {
    match fork().unwrap() {
        Fork::Child => {
            let worked = match work(live) {
                Ok(_) => 1,
                Err(Error::Argument { what: "sealer", .. }) => 0,
                Err(_) => 2,
            };
            std::process::exit(worked)
        }
        Fork::Parent(child) => {
            let here = work(live).unwrap();
            let status = waitpid(child).unwrap();
            // As `wait` encodes an exit code.
            assert!(status == 0 || status == 1 << 8, "{status}");
            (status != 0, here)
        }
    }
}

#[test]
fn a_forked_child_seals_nothing_with_what_its_parent_made() {
    let (sealed_in_child, sealed) = in_both(sealer(), |sealer| sealer.seal_slice(TEXT));
    assert!(!sealed_in_child, "a slice");
    assert_eq!(opener(&sealed).open_slice(&sealed).unwrap(), TEXT);

    let (sealed_in_child, _) = in_both(sealer(), |sealer| {
        let to = tempfile::tempfile().unwrap();
        sealer.seal_file(TEXT, &to, &Run::default())
    });
    assert!(!sealed_in_child, "a file");

    let (sealed_in_child, _) = in_both(sealer(), |sealer| {
        sealer.seal_stream(&mut &*TEXT, &mut Vec::new(), &Run::default())
    });
    assert!(!sealed_in_child, "a stream");

    let mut writer = sealer().into_writer(Vec::new(), &Run::default()).unwrap();
    writer.write_all(&TEXT[..5]).unwrap();
    let (sealed_in_child, (sealed, _)) = in_both(writer, |mut writer| {
        writer.write_all(&TEXT[5..]).unwrap();
        writer.finish()
    });
    assert!(!sealed_in_child, "a writer");
    assert_eq!(opener(&sealed).open_slice(&sealed).unwrap(), TEXT);

    let (_, batches) = sealer().into_batches(&Run::default());
    let (sealed_in_child, ()) = in_both(batches, |mut batches: BatchSealer| {
        let mut batch = batches.batch();
        batch.unfilled().unwrap()[..TEXT.len()].copy_from_slice(TEXT);
        batch.advance(TEXT.len());
        batches.seal(&mut batch, true)
    });
    assert!(!sealed_in_child, "a batch");
}

#[test]
fn a_forked_child_makes_its_own_sealer_and_reads_what_its_parent_opened() {
    let sealed = sealer().seal_slice(TEXT).unwrap();
    let (worked_in_child, ()) = in_both(opener(&sealed), |opener| {
        assert_eq!(opener.open_slice(&sealed)?, TEXT);
        sealer().seal_slice(TEXT).map(drop)
    });
    assert!(worked_in_child);
}
