//! What the powers do not show: carries through all digits, and numbers that are not less than the modulus.

use super::multiply::{Moduli, multiply, square};
use super::numbers::{Numbers, PAIR, VECTORS};
use crate::arch::mod_exp::{Modulus, PRIME};
use crate::arch::x86_64::ifma::Token;
use crate::arch::x86_64::ifma::digits::{DIGITS, put, take};

const MASK: u64 = (1 << 52) - 1;

/// SplitMix64: the same numbers each time.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn below(limit: usize, state: &mut u64) -> usize {
    usize::try_from(random(state) % limit as u64).unwrap()
}

/// Sums as the kernel has them, and the digits that it makes of them.
fn carried(sums: &[[u64; DIGITS]; PAIR]) -> [[u64; DIGITS]; PAIR] {
    let lane = |number, index| PAIR * (index / VECTORS) + number;
    let mut numbers = Numbers::zeroed();
    for (number, sums) in sums.iter().enumerate() {
        for (index, sum) in sums.iter().enumerate() {
            put(&mut numbers.0[index % VECTORS], lane(number, index), *sum);
        }
    }
    // SAFETY: the caller has a token.
    unsafe { carry(&mut numbers) };
    let digit = |number, index| take(&numbers.0[index % VECTORS], lane(number, index));
    std::array::from_fn(|number| std::array::from_fn(|index| digit(number, index)))
}

#[target_feature(enable = "avx512f")]
fn carry(numbers: &mut Numbers) {
    numbers.carry(numbers.load());
}

#[test]
fn carries_run_through_all_digits_of_either_number() {
    if Token::detect().is_none() {
        println!("ifma is not here");
        return;
    }
    let mut state = 0;
    for case in 0..20_000 {
        // Runs of digits that pass a carry on, with something to carry below and little or much elsewhere.
        let sums: [[u64; DIGITS]; PAIR] = std::array::from_fn(|_| {
            let from = below(DIGITS, &mut state);
            let to = from + below(DIGITS + 1 - from, &mut state);
            let most = [0, MASK, (1 << 60) - 1][below(3, &mut state)];
            std::array::from_fn(|index| match index {
                _ if index == from => MASK + 1,
                _ if from < index && index < to => MASK,
                _ => random(&mut state) & most,
            })
        });
        let expected = sums.map(|sums| {
            let mut carry = 0;
            sums.map(|sum| {
                let total = sum + carry;
                carry = total >> 52;
                total & MASK
            })
        });
        assert_eq!(carried(&sums), expected, "case {case} of {sums:x?}");
    }
}

#[test]
fn a_square_is_the_product_of_a_number_with_itself_up_to_twice_the_modulus() {
    if Token::detect().is_none() {
        println!("ifma is not here");
        return;
    }
    let mut state = 0;
    for case in 0..20_000 {
        let mut moduli = Moduli::zeroed();
        let mut values: [Numbers; 3] = std::array::from_fn(|_| Numbers::zeroed());
        for number in 0..PAIR {
            let mut modulus: [u64; PRIME] = match (case + number) % 3 {
                0 => [u64::MAX; PRIME],
                1 => [0; PRIME],
                _ => std::array::from_fn(|_| random(&mut state)),
            };
            modulus[0] |= 1;
            modulus[PRIME - 1] |= 1 << 63;
            moduli.put(number, &Modulus::new(&modulus));
            // Any of 1024 bits is less than twice the modulus.
            let value: [u64; PRIME] = match case % 4 {
                0 => [u64::MAX; PRIME],
                _ => std::array::from_fn(|_| random(&mut state)),
            };
            for numbers in &mut values {
                numbers.put(number, &value);
            }
        }
        let [squared, product, factor] = &mut values;
        // SAFETY: there is a token.
        unsafe { square(squared, &moduli) };
        // SAFETY: there is a token.
        unsafe { multiply(product, factor, &moduli) };
        for number in 0..PAIR {
            let (mut square, mut product_limbs) = ([0; PRIME], [0; PRIME]);
            let above = squared.take(number, &mut square);
            assert_eq!(above, product.take(number, &mut product_limbs), "case {case}");
            assert_eq!(square, product_limbs, "case {case}");
            assert!(above <= 1, "case {case}: below twice the modulus");
        }
    }
}
