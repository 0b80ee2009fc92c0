//! The groups with AVX against those without. Everything else is tested above, on every tier.

use super::*;
use crate::arch::{OPEN, SEAL};

/// `STRONGROOM_REQUIRE_AVX=true` (or `false`) says which groups this run must take: neither are left
/// untested in silence.
#[test]
fn groups_with_and_without_avx_agree_at_every_length() {
    let detected = Token::detect();
    println!("aesni: {detected:?}");
    if let Ok(required) = std::env::var("STRONGROOM_REQUIRE_AVX") {
        let avx = required == "true";
        assert_eq!(detected, Some(Token { avx }), "what was found and what was required");
    }
    let Some(detected) = detected else { return };
    // Without AVX less is needed than what was detected.
    let tokens = [detected, Token { avx: false }];

    let associated_data: [u8; 203] = core::array::from_fn(|i| i.to_le_bytes()[0]);
    let long = [CACHE_FROM - 1, CACHE_FROM, CACHE_FROM + 1, 254 * 16, 510 * 16 + 7, 70_001];
    let (mut cached, mut fresh) = (0, 0);
    for len in (0..=5 * GROUP_LEN).chain(long) {
        let text: Vec<u8> = (0..len).map(|i| (i * 7 + len).to_le_bytes()[0]).collect();
        let associated_data = &associated_data[..len % associated_data.len()];
        // Two of three nonces are 96 bits long: their counter starts where the cache's does.
        let random = u128::from_be_bytes([len.to_le_bytes()[0]; 16]);
        let j0 = if len % 3 == 0 { random } else { random >> 32 << 32 | 1 };
        let sealed = tokens.map(|token| {
            let key = Key::new(token, &[len.to_le_bytes()[0]; 32]);
            let mut cache = CounterCache::empty(j0);
            key.fill(&mut cache);
            let outcomes = [None, Some(&cache)].map(|cache| {
                let mut buffer = text.clone();
                let hints = Hints { cache, ..Hints::default() };
                let tag = key
                    .crypt::<SEAL>(hints, j0, associated_data, buffer[..].as_mut().into())
                    .unwrap();
                let ciphertext = buffer.clone();
                let opened =
                    key.crypt::<OPEN>(hints, j0, associated_data, buffer[..].as_mut().into());
                assert_eq!(opened.unwrap(), tag, "{len}");
                assert_eq!(buffer, text, "{len}");
                (ciphertext, tag)
            });
            assert_eq!(outcomes[0], outcomes[1], "{len}");
            if cache.serves(j0) {
                cached += 1;
            } else {
                fresh += 1;
            }
            outcomes
        });
        assert_eq!(sealed[0], sealed[1], "{len}");
    }
    assert!(cached > 1000 && fresh > 500, "{cached} with a cache, {fresh} without");
}
