//! Output that goes past the caches, on every tier: those that cannot write it as ever.

use super::*;

/// Output that goes past the caches: the same bytes at every alignment of the output, whatever the
/// length around groups, and nothing beside them.
#[test]
fn streamed_output_is_the_same_wherever_it_begins() {
    let (key, nonce) = key_and_nonce(11);
    let mut cases = 0;
    let lengths = [0, 15, 511, 512, 513, 1023, 1024, 1100, 1536, 4096, 4224, 8191, 33_000];
    for backend in Backend::available() {
        let ciphers = [
            Aes256Gcm::with_counter_cache(&key, backend, &nonce),
            Aes256Gcm::with_backend(&key, backend),
        ];
        for len in lengths {
            let text = noise(12, len);
            let mut expected = vec![0; len];
            let tag = ciphers[0].seal_into(&nonce, b"", &text, &mut expected).unwrap();
            for (at, cipher) in (0..=64).flat_map(|at| ciphers.iter().map(move |one| (at, one))) {
                let mut place = vec![0xee; len + 192];
                let start = place.as_ptr().align_offset(64) + at;
                let untouched = |place: &[u8]| {
                    let around = place[..start].iter().chain(&place[start + len..]);
                    assert!(around.into_iter().all(|byte| *byte == 0xee), "{backend:?} {len} {at}");
                };
                let output = &mut place[start..start + len];
                let buffer = pair(&text, output).unwrap();
                let sealed = cipher.seal(&nonce, b"", buffer, Output::Streamed).unwrap();
                assert_eq!((sealed, &output[..]), (tag, &expected[..]), "{backend:?} {len} {at}");
                untouched(&place);
                let output = &mut place[start..start + len];
                let buffer = pair(&expected, output).unwrap();
                cipher.open(&nonce, b"", buffer, &tag, Output::Streamed).unwrap();
                assert_eq!(output, text, "{backend:?} {len} {at}");
                let refused = cipher.open(
                    &nonce,
                    b"",
                    pair(&expected, output).unwrap(),
                    &[0; 16],
                    Output::Streamed,
                );
                assert!(matches!(refused, Err(Error::Authentication)));
                assert!(output.iter().all(|byte| *byte == 0), "{backend:?} {len} {at}");
                untouched(&place);
                cases += 1;
            }
        }
    }
    assert_eq!(cases, Backend::available().count() * lengths.len() * 65 * 2);
}

/// A flipped bit in the cache is noticed as well where the output goes past the caches.
#[test]
fn a_flipped_bit_is_noticed_when_streaming() {
    let (key, nonce) = key_and_nonce(13);
    let text = noise(14, 4096);
    let mut faults = 0;
    for backend in Backend::available() {
        for byte in (0..256 * 16).step_by(7) {
            let mut cipher = Aes256Gcm::with_counter_cache(&key, backend, &nonce);
            let Some(cache) = cipher.cache.as_mut() else { continue };
            cache.flip(byte * 8 + byte % 8);
            let mut output = vec![0xee; text.len()];
            let buffer = pair(&text, &mut output).unwrap();
            let outcome = cipher.seal(&nonce, b"", buffer, Output::Streamed);
            assert!(matches!(outcome, Err(Error::Fault)), "byte {byte}: {outcome:?}");
            assert!(output.iter().all(|byte| *byte == 0));
            faults += 1;
        }
    }
    assert_eq!(faults, 586 * available_of(&["vaes512", "vaes256", "aesni", "armv8"]));
}
