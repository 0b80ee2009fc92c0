//! Modular exponentiation in eight lanes, with AVX-512 IFMA. `ifma/pair.rs` has all lanes for two numbers.
//!
//! ```text
//! A number is D digits of 52 bits; a vector holds one digit of eight numbers, one a lane, and each lane has
//! a modulus, a base and an exponent of its own. lo(x y) and hi(x y) are the low and high 52 bits of a product.
//!
//! multiply(a, b) = a b R^-1 modulo n, R = 2^(52 D):            almost: less than 2 n, not less than n
//!     w = 0                                                    a window of sums, 64 bits each
//!     for each digit b_i:
//!         w_j += lo(a_j b_i),  w_(j+1) += hi(a_j b_i)          for each j
//!         m = lo(w_0 factor)                                   factor = -n^-1 modulo 2^52
//!         w_j += lo(n_j m),    w_(j+1) += hi(n_j m)            for each j; w_0 is now a multiple of 2^52
//!         w = w / 2^52
//!     carry from sum to sum
//! ```
//!
//! For a modulus of 1024 bits D is 20, and the window stays in registers. For one of 2048 bits D is 40: the
//! window passes over the low and the high halves of `a` and `n` in turn (`ifma/multiply.rs`).
//!
//! **Bounds.** `n < 2^(64 N)` and `R >= 2^(64 N + 16)` (N limbs: 1040 bits for 1024, 2080 for 2048). Where `a, b < 2 n`, the
//! result is less than `(4 n^2 + R n) / R = n (1 + 4 n / R) < 2 n`: no subtraction is needed in between, and the last
//! multiplication, by 1, gives at most `n`. A sum takes two halves of a product from each of the D digits of `b` and as
//! many of `m`, and a carry: less than `4 D 2^52 + 2^13 < 2^60`.
//!
//! Gueron and Krasnov, ARITH 2016 (Montgomery multiplication with these instructions); Montgomery, Math. Comp. 44
//! (1985).
//!
//! Constant-time: loops run to constants, for secret exponents as well, whose leading zeros are computed with; an
//! entry of a table is selected by masks while the whole table is read. The instructions take a time that does not
//! depend on their operands (Intel's list of such instructions has `VPMADD52LUQ` and `VPMADD52HUQ`).

mod digits;
mod multiply;
mod pair;
mod power;
mod square;

use crate::arch::mod_exp::{PublicPower, SecretPower};
use crate::arch::token;

pub(crate) use digits::LANES;

token!(support_ifma);

/// Powers that take less time in eight lanes, not all of them filled, than one or two at a time.
const FROM_EIGHT_LANES: usize = 7;

/// Computes `powers`, in eight lanes or two at a time.
pub(crate) fn secret(_: Token, powers: &mut [SecretPower<'_>]) {
    // SAFETY: there is a token: `Features::support_ifma` holds.
    unsafe { each_secret(powers) }
}

/// Computes `powers`, in eight lanes or one by one.
pub(crate) fn public(_: Token, powers: &mut [PublicPower<'_>]) {
    // SAFETY: there is a token: `Features::support_ifma` holds.
    unsafe { each_public(powers) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn each_secret(powers: &mut [SecretPower<'_>]) {
    for powers in powers.chunks_mut(LANES) {
        if powers.len() >= FROM_EIGHT_LANES {
            power::secret(powers);
            continue;
        }
        for powers in powers.chunks_mut(pair::PAIR) {
            pair::secret(powers);
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn each_public(powers: &mut [PublicPower<'_>]) {
    for powers in powers.chunks_mut(LANES) {
        if powers.len() >= FROM_EIGHT_LANES {
            power::public(powers);
            continue;
        }
        for power in powers {
            pair::public(power);
        }
    }
}
