//! The body with EOR3 against the plain one. Everything else is tested above, on every tier.

use super::*;
use crate::arch::{OPEN, SEAL};

/// Tokens of the detected body and of the plain body, which needs fewer features.
///
/// `STRONGROOM_REQUIRE_EOR3=true` (or `false`) says which body this run must take: neither is left
/// untested in silence.
fn tokens() -> Option<[Token; 2]> {
    let detected = Token::detect();
    println!("armv8: {detected:?}");
    if let Ok(required) = std::env::var("STRONGROOM_REQUIRE_EOR3") {
        let eor3 = required == "true";
        assert_eq!(
            detected,
            Some(Token { eor3, _proof: () }),
            "what was found and what was required"
        );
    }
    Some([detected?, Token { eor3: false, _proof: () }])
}

/// Ciphertext and tag of a text of that length, which both bodies agree on and open again.
fn sealed(tokens: [Token; 2], len: usize, j0: u128, cached: bool) -> (Vec<u8>, [u8; 16]) {
    let associated_data: [u8; 203] = core::array::from_fn(|i| i.to_le_bytes()[0]);
    let associated_data = &associated_data[..len % associated_data.len()];
    let text: Vec<u8> = (0..len).map(|i| (i * 7 + len).to_le_bytes()[0]).collect();
    let [sealed, plainly] = tokens.map(|token| {
        let key = Key::new(token, &[len.to_le_bytes()[0]; 32], false);
        let mut cache = CounterCache::empty(j0);
        key.fill(&mut cache);
        let hints = Hints { cache: cached.then_some(&cache), ..Hints::default() };
        let mut buffer = text.clone();
        let tag =
            key.crypt::<SEAL>(hints, j0, associated_data, buffer.as_mut_slice().into()).unwrap();
        let ciphertext = buffer.clone();
        let opened = key.crypt::<OPEN>(hints, j0, associated_data, buffer.as_mut_slice().into());
        assert_eq!(opened.unwrap(), tag, "{len}");
        assert_eq!(buffer, text, "{len}");
        (ciphertext, tag)
    });
    assert_eq!(sealed, plainly, "{len}");
    sealed
}

#[test]
fn both_bodies_agree_at_every_length() {
    let Some(tokens) = tokens() else { return };
    for len in 0..=5 * GROUP_LEN {
        let j0 = u128::from_be_bytes([len.to_le_bytes()[0]; 16]);
        sealed(tokens, len, j0, false);
    }
}

/// Every length to two groups and around the group that reaches into the next 256 counters; around
/// the length at which a text has a cache of its own.
#[test]
fn both_bodies_agree_with_a_cache_and_without() {
    let Some(tokens) = tokens() else { return };
    let straddling = 248 * BLOCK_LEN;
    let lengths = (0..=2 * GROUP_LEN).chain(straddling - 20..=straddling + GROUP_LEN + 20);
    for len in lengths.chain(CACHE_FROM - 1..=CACHE_FROM + 1) {
        let j0 = (len as u128) << 32 | 0xffff_ff01;
        assert_eq!(sealed(tokens, len, j0, true), sealed(tokens, len, j0, false), "{len}");
    }
}
