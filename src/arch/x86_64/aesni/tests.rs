//! The groups with AVX against those without. Everything else is tested above, on every tier.

use super::*;
use crate::arch::x86_64::forms::{New, Operations, agree};
use crate::arch::{OPEN, SEAL};

/// `STRONGROOM_REQUIRE_AVX=true` (or `false`) says which groups this run must take: neither are left
/// untested in silence.
#[test]
fn groups_with_and_without_avx_agree_at_every_length() {
    let detected = Token::detect();
    println!("aesni: {detected:?}");
    if let Ok(required) = std::env::var("STRONGROOM_REQUIRE_AVX") {
        let avx = required == "true";
        assert_eq!(
            detected,
            Some(Token { avx, _proof: () }),
            "what was found and what was required"
        );
    }
    let Some(detected) = detected else { return };
    let tier = Operations {
        fill: &Key::fill,
        seal: &Key::crypt::<SEAL>,
        open: &Key::crypt::<OPEN>,
        ghash: &Key::ghash,
    };
    let new = |token| move |key: &_| Key::new(token, key, false);
    // Without AVX less is needed than what was detected.
    let forms: [New<'_, Key>; 2] = [&new(detected), &new(Token { avx: false, _proof: () })];
    let long = [CACHE_FROM - 1, CACHE_FROM, CACHE_FROM + 1, 254 * 16, 510 * 16 + 7, 70_001];
    agree(&tier, forms, (0..=5 * GROUP_LEN).chain(long));
}
