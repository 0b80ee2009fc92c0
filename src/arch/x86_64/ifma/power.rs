//! Powers in eight lanes.
//!
//! ```text
//! secret exponents, windows of 4 bits:                  public exponents, which are odd:
//!     table[i] = base^i for i in 0..16                      for each bit but the lowest, from the highest:
//!     for each window from the highest:                         power = power^2
//!         power = power^16 table[window]                        power *= base in the lanes where the bit is set
//!                                                           power = power^2 base, out of Montgomery form
//! ```
//!
//! Each lane looks up an entry of its own. Windows of 5 bits need fewer multiplications, but their table of 40 KiB does
//! not fit into the 32 KiB of the nearest cache: see docs/performance.md.

use core::arch::x86_64::{_mm512_cmpeq_epi64_mask, _mm512_mask_mov_epi64, _mm512_set1_epi64};

use super::digits::{Digit, LANES, Numbers, empty_window, put, store};
use super::multiply::{Moduli, multiply, multiply_double};
use super::square::square;
use crate::arch::mod_exp::{PRIME, Power, PublicPower, SecretPower, bits};
use crate::arch::x86_64::memory::{load_512, store_512};

/// Bits of the exponent that one multiplication takes care of.
pub(super) const WINDOW: usize = 4;
pub(super) const TABLE_LEN: usize = 1 << WINDOW;
/// Bits of a secret exponent.
pub(super) const EXPONENT_LEN: usize = 64 * PRIME;
/// The bits of all lanes.
const ALL: u8 = !0;

/// The numbers of the lanes. They are filled in where they are, for a move would leave a copy behind.
struct Lanes<const PARTS: usize> {
    moduli: Moduli<PARTS>,
    /// R^2 modulo each modulus: a factor that brings a number into Montgomery form.
    entries: Numbers<PARTS>,
    values: Numbers<PARTS>,
}

impl<const PARTS: usize> Lanes<PARTS> {
    fn zeroed() -> Self {
        let moduli = Moduli { numbers: Numbers::zeroed(), factors: [0; 64] };
        Self { moduli, entries: Numbers::zeroed(), values: Numbers::zeroed() }
    }

    fn put<const N: usize, E>(&mut self, powers: &[Power<'_, N, E>]) {
        for lane in 0..LANES {
            let Power { modulus, value, .. } = of_lane(powers, lane);
            self.moduli.numbers.put(lane, &modulus.limbs);
            put(&mut self.moduli.factors, lane, modulus.factor);
            self.entries.put(lane, &modulus.entry_52);
            self.values.put(lane, value);
        }
    }

    /// Takes the values, which are less than twice their moduli.
    fn take<const N: usize, E>(&self, powers: &mut [Power<'_, N, E>]) {
        for (lane, power) in powers.iter_mut().enumerate() {
            let above = self.values.take(lane, &mut power.value);
            power.modulus.reduce_once(&mut power.value, above);
        }
    }
}

/// The power that a lane computes: the first once more in those that are left over.
pub(super) fn of_lane<T>(powers: &[T], lane: usize) -> &T {
    powers.get(lane).unwrap_or(&powers[0])
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn secret(powers: &mut [SecretPower<'_>]) {
    let mut lanes = Lanes::zeroed();
    lanes.put(powers);
    let Lanes { moduli, entries, values } = &mut lanes;
    let mut doubled = Numbers::zeroed();
    let mut table: [_; TABLE_LEN] = core::array::from_fn(|_| Numbers::one());
    multiply(&mut table[0], entries, moduli);
    multiply(values, entries, moduli);
    table[1].copy_from(values);
    for index in 2..TABLE_LEN {
        let (lower, higher) = table.split_at_mut(index);
        let entry = &mut higher[0];
        if index % 2 == 0 {
            entry.copy_from(&lower[index / 2]);
            square(entry, &mut doubled, moduli);
        } else {
            entry.copy_from(&lower[index - 1]);
            multiply(entry, values, moduli);
        }
    }

    let mut factor = Numbers::zeroed();
    read(&table, &windows(powers, EXPONENT_LEN - WINDOW), values);
    for place in (0..EXPONENT_LEN - WINDOW).step_by(WINDOW).rev() {
        for _ in 0..WINDOW {
            square(values, &mut doubled, moduli);
        }
        read(&table, &windows(powers, place), &mut factor);
        multiply(values, &factor, moduli);
    }
    multiply(values, &Numbers::one(), moduli);
    lanes.take(powers);
}

/// The bits of the exponents from `place` on.
fn windows(powers: &[SecretPower<'_>], place: usize) -> Digit {
    let mut windows = [0; 64];
    for lane in 0..LANES {
        put(&mut windows, lane, bits(of_lane(powers, lane).exponent, place, WINDOW));
    }
    windows
}

/// Reads the whole table for the entry that each lane wants.
#[inline(never)]
#[target_feature(enable = "avx512f")]
fn read(table: &[Numbers<1>; TABLE_LEN], wanted: &Digit, value: &mut Numbers<1>) {
    let wanted = load_512(wanted);
    let mut window = empty_window();
    for (number, Numbers([entry])) in (0..).zip(table) {
        let lanes = _mm512_cmpeq_epi64_mask(wanted, _mm512_set1_epi64(number));
        for (digit, entry) in window.iter_mut().zip(entry) {
            *digit = _mm512_mask_mov_epi64(*digit, lanes, load_512(entry));
        }
    }
    let [digits] = &mut value.0;
    store(digits, &window);
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn public(powers: &mut [PublicPower<'_>]) {
    let mut lanes = Lanes::zeroed();
    lanes.put(powers);
    let exponent = |lane| of_lane(powers, lane).exponent;
    // A bit a lane.
    let set = |place| {
        (0..LANES).fold(0_u8, |set, lane| set | u8::from(exponent(lane) >> place & 1 == 1) << lane)
    };
    let highest = (0..LANES).map(|lane| exponent(lane) | 1).fold(1, |all, one| all | one).ilog2();

    let Lanes { moduli, entries, values } = &mut lanes;
    let (mut base, mut product) = (Numbers::zeroed(), Numbers::zeroed());
    base.copy_from(values);
    multiply_double(&mut base, entries, moduli);
    let mut power = Numbers::one();
    if set(highest) != ALL {
        multiply_double(&mut power, entries, moduli);
    }
    blend(&mut power, &base, set(highest));
    for place in (0..highest).rev() {
        product.copy_from(&power);
        multiply_double(&mut power, &product, moduli);
        if place == 0 {
            break;
        }
        let lanes = set(place);
        if lanes != 0 {
            product.copy_from(&power);
            multiply_double(&mut product, &base, moduli);
            blend(&mut power, &product, lanes);
        }
    }
    multiply_double(values, &power, moduli);
    lanes.take(powers);
}

/// Sets `values` to `others` in the lanes whose bit is set.
#[target_feature(enable = "avx512f")]
fn blend(values: &mut Numbers<2>, others: &Numbers<2>, lanes: u8) {
    for (value, other) in values.0.as_flattened_mut().iter_mut().zip(others.0.as_flattened()) {
        let blended = _mm512_mask_mov_epi64(load_512(value), lanes, load_512(other));
        store_512(value, blended);
    }
}
