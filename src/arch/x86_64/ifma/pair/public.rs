//! A public power by itself: a number of 2048 bits has the lanes that two of 1024 bits have.
//!
//! ```text
//! power = base
//! for each bit of the exponent below the highest:
//!     power = power^2
//!     power *= base where the bit is set
//! ```

use super::multiply::{Moduli, multiply};
use super::numbers::Numbers;
use crate::arch::mod_exp::PublicPower;

/// Computes one power.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(in crate::arch::x86_64::ifma) fn public(power: &mut PublicPower<'_>) {
    let exponent = power.exponent;
    let mut moduli = Moduli::<1>::zeroed();
    let (mut base, mut value) = (Numbers::zeroed(), Numbers::zeroed());
    let mut factor = Numbers::zeroed();
    moduli.put(0, power.modulus);
    base.put(0, &power.value);
    factor.put(0, &power.modulus.entry_52);
    multiply(&mut base, &factor, &moduli);
    value.copy_from(&base);
    for place in (0..exponent.checked_ilog2().unwrap_or(0)).rev() {
        factor.copy_from(&value);
        multiply(&mut value, &factor, &moduli);
        if exponent >> place & 1 == 1 {
            multiply(&mut value, &base, &moduli);
        }
    }
    multiply(&mut value, &Numbers::one(), &moduli);
    let above = value.take(0, &mut power.value);
    power.modulus.reduce_once(&mut power.value, above);
}
