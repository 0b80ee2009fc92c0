//! Documents that were changed: each byte flipped, cut, continued, put in another order.

use super::*;

/// Each byte of a small document, flipped in three ways. Only damage to one of two slots opens,
/// and is reported.
#[test]
fn every_flipped_byte_is_refused_or_mended_and_reported() {
    let (mut refused, mut mended) = (0, 0);
    for slots in [Slots::One, Slots::Two] {
        let original = sealed(PlaintextLen::Known(300), 300, slots);
        for offset in 0..original.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = original.clone();
                changed[offset] ^= flip;
                let in_slot = slots == Slots::Two && (512..2560).contains(&offset);
                match open_everywhere(&changed, &open_options()) {
                    Ok(plaintext) => {
                        assert!(in_slot, "byte {offset} may not be changed");
                        assert_eq!(plaintext, text(300));
                        let states = Header::parse(&changed).unwrap().slots().to_vec();
                        let damaged = usize::from(offset >= 1536);
                        assert_eq!(states[damaged], SlotState::Damaged);
                        assert_eq!(states[1 - damaged], SlotState::Current);
                        mended += 1;
                    }
                    Err(Error::Authentication | Error::Format { .. } | Error::NoKey { .. }) => {
                        refused += 1;
                    }
                    Err(other) => panic!("byte {offset}: {other}"),
                }
            }
        }
    }
    // Every byte of either slot.
    assert_eq!(mended, 3 * 2048);
    assert_eq!(refused, 3 * ((512 + 316) + (2560 + 316)) - mended);
}

#[test]
fn every_truncation_is_refused() {
    let mut cuts = 0;
    for (plaintext_len, len) in SHAPES {
        let original = sealed(plaintext_len, len, Slots::One);
        // Every length where that is quick; around each record's ends in the larger ones.
        let ends: Vec<usize> = (0..=3).map(|record| 512 + record * RECORD).collect();
        for cut in 0..original.len() {
            let near = ends.iter().any(|end| cut.abs_diff(*end) <= 40);
            if original.len() > 2000 && cut > 600 && !near {
                continue;
            }
            let outcome = open_everywhere(&original[..cut], &open_options());
            assert!(
                matches!(outcome, Err(Error::Format { .. } | Error::Authentication)),
                "{plaintext_len:?} cut to {cut}: {outcome:?}"
            );
            cuts += 1;
        }
    }
    assert!(cuts > 3000, "{cuts}");
}

#[test]
fn appended_bytes_are_refused() {
    for (plaintext_len, len) in SHAPES {
        let original = sealed(plaintext_len, len, Slots::One);
        for extra in [1, 15, 16, 17, 512, RECORD, CHUNK, 3 * RECORD + 1] {
            for filling in [0, 0xa7] {
                let changed = [&original[..], &vec![filling; extra]].concat();
                let outcome = open_everywhere(&changed, &open_options());
                assert!(
                    matches!(outcome, Err(Error::Format { .. } | Error::Authentication)),
                    "{plaintext_len:?} and {extra}: {outcome:?}"
                );
            }
        }
    }
}

/// A document as its header and its records.
fn split(sealed: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (header, body) = sealed.split_at(Header::parse(sealed).unwrap().len());
    (header.to_vec(), body.chunks(RECORD).map(<[u8]>::to_vec).collect())
}

fn join(header: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    [header, &records.concat()].concat()
}

#[test]
fn moved_chunks_are_refused() {
    type Move = fn(&mut Vec<Vec<u8>>, &[Vec<u8>]);
    let moves: [(&str, Move); 8] = [
        ("first two swapped", |records, _| records.swap(0, 1)),
        ("first and last full swapped", |records, _| records.swap(0, 2)),
        ("one twice", |records, _| records[1] = records[0].clone()),
        ("one inserted twice", |records, _| records.insert(1, records[0].clone())),
        ("first dropped", |records, _| drop(records.remove(0))),
        ("middle dropped", |records, _| drop(records.remove(1))),
        ("last dropped", |records, _| drop(records.pop())),
        ("one from another document", |records, other| records[1] = other[1].clone()),
    ];
    for len in [3 * CHUNK, 3 * CHUNK + 100] {
        for plaintext_len in [PlaintextLen::Known(len as u64), PlaintextLen::Stream] {
            let (header, original) = split(&sealed(plaintext_len, len, Slots::Two));
            let (other_header, other) = split(&sealed(plaintext_len, len, Slots::Two));
            for (case, change) in &moves {
                let mut records = original.clone();
                change(&mut records, &other);
                let outcome = open_everywhere(&join(&header, &records), &open_options());
                assert!(
                    matches!(outcome, Err(Error::Format { .. } | Error::Authentication)),
                    "{case} in {plaintext_len:?}: {outcome:?}"
                );
            }
            let foreign = join(&other_header, &original);
            assert_refused(&foreign, &open_options(), &Expected::Authentication, "other header");
        }
    }
}

/// A cut at a chunk's end looks like a shorter stream, but its last chunk was not sealed as one.
#[test]
fn a_stream_cut_at_a_chunk_is_refused_before_its_end_is_given_out() {
    let (header, records) = split(&sealed(PlaintextLen::Stream, 3 * CHUNK, Slots::One));
    let cut = join(&header, &records[..2]);
    assert_refused(&cut, &open_options(), &Expected::Authentication, "cut stream");

    let header = Header::parse(&cut).unwrap();
    let opener = header.unlock_with(&[unwrapping("vault/k/1", &KEK)], &open_options()).unwrap();
    let written = Recorder::default();
    assert!(opener.open_file(&cut[..], &written, &Run::default()).is_err());
    assert!(written.0.into_inner().unwrap().is_empty(), "chunks of a cut stream were written");
}

/// The same where several workers share the document.
#[test]
fn nothing_is_left_of_a_large_document_that_was_changed() {
    let len = 200 * CHUNK + 77;
    let original = sealed(PlaintextLen::Known(len as u64), len, Slots::One);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    pool.install(|| {
        for record in [0, 1, 100, 199, 200] {
            let mut changed = original.clone();
            changed[512 + record * RECORD + 50] ^= 1;
            let header = Header::parse(&changed).unwrap();
            let opener =
                header.unlock_with(&[unwrapping("vault/k/1", &KEK)], &open_options()).unwrap();
            let mut buffer = vec![0xee; len];
            let refused = opener.open_into(&changed, &mut buffer);
            assert!(matches!(refused, Err(Error::Authentication)));
            assert!(buffer.iter().all(|byte| *byte == 0), "plaintext left behind record {record}");

            let written = Recorder::default();
            let refused = opener.open_file(&changed[..], &written, &Run::default());
            assert!(matches!(refused, Err(Error::Authentication)));
            let bad = (record * CHUNK) as u64;
            let written = written.0.into_inner().unwrap();
            assert!(written.iter().all(|(offset, _)| *offset != bad), "the bad chunk was written");
        }
    });
}

/// With one record in memory at a time: what follows the end is called so, whatever it is.
#[test]
fn a_stream_reader_names_what_follows_the_end() {
    let (header, records) = split(&sealed(PlaintextLen::Known(8192), 2 * CHUNK, Slots::One));
    let longer = join(&header, &[&records[..], &records].concat());
    let mut stream = &longer[..];
    let opener = Header::read(&mut stream)
        .unwrap()
        .unlock_with(&[unwrapping("vault/k/1", &KEK)], &open_options())
        .unwrap();
    let run = Run { memory: 0, ..Run::default() };
    let mut opened = Vec::new();
    let refused = opener.open_stream(&mut stream, &mut opened, &run);
    let end = (512 + 2 * RECORD) as u64;
    assert!(matches!(refused, Err(Error::Format { offset, .. }) if offset == end), "{refused:?}");
    assert_eq!(opened, text(CHUNK));
}
