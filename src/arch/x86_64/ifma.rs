//! Modular exponentiation with AVX-512 IFMA: multiply-adds of 52 bits in eight lanes.
//!
//! ```text
//! secret powers, windows of 4 bits:                     public powers:
//!     table[i] = base^i for i in 0..16                      for each bit of the exponent from the highest:
//!     for each window from the highest:                         power = power^2
//!         power = power^16 table[window]                        power *= base where the bit is set
//! ```
//!
//! `eight` has a number in each lane, for batches; `pair` has the digits of two numbers, or of one of twice the length, over
//! all lanes, for single operations.

mod digits;
mod eight;
mod pair;

use crate::arch::mod_exp::{PRIME, PublicPower, SecretPower};
use crate::arch::token;

pub(crate) use digits::LANES;

token!(support_ifma);

/// Bits of a secret exponent.
const EXPONENT_LEN: usize = 64 * PRIME;
/// Bits of it that one multiplication takes care of.
const WINDOW: usize = 4;
const TABLE_LEN: usize = 1 << WINDOW;

/// Powers that take less time in eight lanes, not all of them filled, than one or two at a time.
const FROM_EIGHT_LANES: usize = 7;

/// Computes `powers`, in eight lanes or two at a time.
pub(crate) fn secret(_: Token, powers: &mut [SecretPower<'_>]) {
    // SAFETY: there is a token: `Features::support_ifma` holds.
    unsafe { each_secret(powers) }
}

/// Computes `powers`, one by one: eight lanes would spare an eighth of the time.
pub(crate) fn public(_: Token, powers: &mut [PublicPower<'_>]) {
    // SAFETY: there is a token: `Features::support_ifma` holds.
    unsafe { each_public(powers) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn each_secret(powers: &mut [SecretPower<'_>]) {
    for powers in powers.chunks_mut(LANES) {
        if powers.len() >= FROM_EIGHT_LANES {
            eight::secret(powers);
            continue;
        }
        for powers in powers.chunks_mut(pair::PAIR) {
            pair::secret(powers);
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn each_public(powers: &mut [PublicPower<'_>]) {
    for power in powers {
        pair::public(power);
    }
}

/// Fills in the powers from the second on, where those before are there: `square` and `next` set an entry to the
/// square of another, and to the one after another.
fn fill<T>(
    table: &mut [T; TABLE_LEN],
    mut square: impl FnMut(&mut T, &T),
    mut next: impl FnMut(&mut T, &T),
) {
    for index in 2..TABLE_LEN {
        let (lower, higher) = table.split_at_mut(index);
        if index % 2 == 0 {
            square(&mut higher[0], &lower[index / 2]);
        } else {
            next(&mut higher[0], &lower[index - 1]);
        }
    }
}

/// The power that is computed at that place: the first once more where there are fewer.
fn of_lane<T>(powers: &[T], place: usize) -> &T {
    powers.get(place).unwrap_or(&powers[0])
}
