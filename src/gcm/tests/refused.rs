//! A text that is refused in place: the caller has his ciphertext back.

use super::*;

fn ciphers(key: &[u8; 32], backend: Backend, nonce: &[u8; 12]) -> [Aes256Gcm; 2] {
    [Aes256Gcm::with_backend(key, backend), Aes256Gcm::with_counter_cache(key, backend, nonce)]
}

/// Opens `sealed` with a change in tag, text and associated data, one after the other, `at` bytes behind a
/// border of 64; returns how many of these were refused and left as they were, and nothing beside them.
fn refusals(
    cipher: &Aes256Gcm,
    nonce: &[u8; 12],
    sealed: &[u8],
    tag: [u8; 16],
    at: usize,
) -> usize {
    let mut refusals = 0;
    let mut place = vec![0xee; sealed.len() + 192];
    let start = place.as_ptr().align_offset(64) + at;
    let end = start + sealed.len();
    for part in 0..3 {
        let (mut text, mut tag, mut aad) = (sealed.to_vec(), tag, *b"associated");
        let changed: &mut [u8] = match part {
            0 => &mut tag,
            1 => &mut aad,
            _ => &mut text,
        };
        let byte = sealed.len().checked_rem(changed.len()).unwrap_or_default();
        let Some(byte) = changed.get_mut(byte) else { continue };
        *byte ^= 0x20;
        place[start..end].copy_from_slice(&text);
        let refused = cipher.open_in_place(nonce, &aad, &mut place[start..end], &tag);
        assert!(matches!(refused, Err(Error::Authentication)), "{refused:?}");
        assert_eq!(place[start..end], text, "{cipher:?} {} {at}", text.len());
        assert!(place[..start].iter().chain(&place[end..]).all(|byte| *byte == 0xee));
        refusals += 1;
    }
    refusals
}

/// Every tier, with and without a shared cache: at every length around the strides, and at every alignment.
#[test]
fn the_ciphertext_is_restored_at_every_length_and_alignment() {
    let mut cases = 0;
    let (key, nonce) = key_and_nonce(21);
    for backend in Backend::available() {
        for cipher in ciphers(&key, backend, &nonce) {
            let mut check = |len: usize, alignments: &[usize]| {
                let mut sealed = noise(22, len);
                let tag = cipher.seal_in_place(&nonce, b"associated", &mut sealed).unwrap();
                for at in alignments {
                    cases += refusals(&cipher, &nonce, &sealed, tag, *at);
                }
            };
            for len in (0..1100).chain([4096, 16_384, 33_001, 140_001]) {
                check(len, &[0, len % 64]);
            }
            let every: Vec<usize> = (0..64).collect();
            for len in [1, 16, 64, 512, 530, 1031, 4224] {
                check(len, &every);
            }
        }
    }
    // An empty text has no byte to change.
    let a_cipher = 3 * (2 * 1104 + 7 * 64) - 2;
    assert_eq!(cases, a_cipher * 2 * Backend::available().count());
}

/// After a refusal the right key opens what is left.
#[test]
fn another_key_may_be_tried() {
    for backend in Backend::available() {
        let (key, nonce) = key_and_nonce(23);
        let plain = noise(24, 3000);
        let mut text = plain.clone();
        let tag =
            Aes256Gcm::with_backend(&key, backend).seal_in_place(&nonce, b"", &mut text).unwrap();
        for wrong in 0..3 {
            let cipher = Aes256Gcm::with_backend(&[wrong; 32], backend);
            assert!(cipher.open_in_place(&nonce, b"", &mut text, &tag).is_err());
        }
        let cipher = Aes256Gcm::with_backend(&key, backend);
        cipher.open_in_place(&nonce, b"", &mut text, &tag).unwrap();
        assert_eq!(text, plain);
    }
}

/// Checks that nothing is left where the ciphertext does not come back as it was hashed, or the cache has
/// changed meanwhile: the machine computed wrongly.
#[test]
fn what_cannot_be_restored_is_zeroed() {
    let (key, nonce) = key_and_nonce(25);
    let mut flips = 0;
    for backend in Backend::available() {
        for len in [1, 100, 512, 5000] {
            let [cipher, mut cached] = ciphers(&key, backend, &nonce);
            let faulty = |cipher: &Aes256Gcm, computed| {
                let mut text = noise(26, len);
                assert!(!cipher.restore(&nonce, b"", &mut text, computed), "{backend:?} {len}");
                assert!(text.iter().all(|byte| *byte == 0), "{backend:?} {len}");
            };
            let tag = cipher.seal_in_place(&nonce, b"", &mut noise(26, len)).unwrap();
            let mut other = tag;
            other[15] ^= 1;
            faulty(&cipher, Some(other));
            faulty(&cipher, None);
            if let Some(cache) = cached.cache.as_mut().filter(|_| len >= 512) {
                (0..256).for_each(|entry| cache.flip(entry * 128));
                faulty(&cached, Some(tag));
                flips += 1;
            }
        }
    }
    assert_eq!(flips, 2 * available_of(&["vaes512", "vaes256", "aesni", "armv8"]));
}
