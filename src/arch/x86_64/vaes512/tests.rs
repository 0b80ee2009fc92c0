//! The form for Zen 5 against the other. Everything else is tested above, on every tier.

use super::*;
use crate::arch::x86_64::forms::{New, Operations, agree};
use crate::arch::{OPEN, SEAL};

#[test]
fn both_forms_agree_at_every_length() {
    let Some(detected) = Token::detect() else {
        println!("vaes512 is not here");
        return;
    };
    println!("vaes512: {detected:?}");
    let tier = Operations {
        fill: &Key::fill,
        seal: &Key::crypt::<SEAL>,
        open: &Key::crypt::<OPEN>,
        ghash: &Key::ghash,
    };
    // Neither form needs more than the other.
    let new = |zen_5| move |key: &_| Key::new(Token { zen_5, _proof: () }, key, true);
    let forms: [New<'_, Key>; 2] = [&new(true), &new(false)];
    if cfg!(miri) {
        return agree(&tier, forms, [511, 512, 1100].into_iter());
    }
    let around = |length| [length - 1, length, length + 1];
    let long = [CACHE_FROM, CACHE_FROM_ZEN_5, 254 * 16, 510 * 16, 600_000].map(around);
    agree(&tier, forms, (0..=5 * GROUP_LEN).chain(long.into_iter().flatten()));
}

/// Powers that are made four at a time are those of one multiplication after the other, bit by bit.
#[test]
fn powers_are_those_of_one_multiplication_each() {
    /// POLYVAL's product (RFC 8452, section 3): each step divides by x, modulo the polynomial.
    fn dot(a: u128, b: u128) -> u128 {
        (0..128).fold(0, |sum, bit| {
            let sum = sum ^ (b & 0_u128.wrapping_sub(a >> bit & 1));
            (sum >> 1) ^ (0xe1 << 120 & 0_u128.wrapping_sub(sum & 1))
        })
    }

    let Some(token) = Token::detect() else {
        println!("vaes512 is not here");
        return;
    };
    for byte in 0..16 {
        let key = Key::new(token, &[byte; 32], false);
        let power = |exponent| u128::from_le_bytes(*key.powers.at(exponent));
        for exponent in 1..POWERS {
            let next = dot(power(exponent), power(1));
            assert_eq!(power(exponent + 1), next, "H^{} of {byte}", exponent + 1);
        }
        assert_eq!(key.powers.at(0), &[0; 240], "behind H^1");
    }
}
