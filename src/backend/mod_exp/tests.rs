//! Every kernel against another crate's numbers: all lanes, mixed moduli, and values at the edges.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};

use super::*;

/// Kernels that this processor can run.
fn kernels() -> Vec<ModExp> {
    let mut kernels = vec![ModExp::detect(), ModExp::SOFTWARE];
    kernels.dedup();
    kernels
}

/// SplitMix64: the same numbers each time.
struct Random(u64);

impl Random {
    fn limb(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn limbs<const N: usize>(&mut self) -> [u64; N] {
        std::array::from_fn(|_| self.limb())
    }
}

fn boxed(limbs: &[u64]) -> BoxedUint {
    BoxedUint::from_words(limbs.iter().copied())
}

/// `base^exponent` modulo `modulus`, by the other crate.
fn power(base: &[u64], exponent: &[u64], modulus: &[u64]) -> Vec<u64> {
    let params = BoxedMontyParams::new(Odd::new(boxed(modulus)).unwrap());
    let power = BoxedMontyForm::new(boxed(base), &params).pow(&boxed(exponent));
    power.retrieve().as_words().to_vec()
}

/// An odd number with its highest bit set: a random one, or one of those at the edges.
fn modulus<const N: usize>(random: &mut Random, number: usize) -> [u64; N] {
    let mut limbs = match number % 5 {
        0 => [0; N],
        1 => [u64::MAX; N],
        2 => std::array::from_fn(|index| if index == N - 1 { random.limb() } else { 0 }),
        _ => random.limbs(),
    };
    limbs[0] |= 1;
    limbs[N - 1] |= 1 << 63;
    limbs
}

/// A number below `modulus`: a random one, or 0, 1, 2, the greatest or a multiple of 2^52.
fn base<const N: usize>(random: &mut Random, modulus: &Modulus<N>, number: usize) -> [u64; N] {
    let mut limbs = [0; N];
    match number % 7 {
        small @ 0..3 => limbs[0] = small as u64,
        3 => {
            limbs = modulus.limbs;
            limbs[0] -= 1;
        }
        4 => limbs[N - 1] = 1 << 62,
        _ => {
            limbs = random.limbs();
            modulus.reduce_once(&mut limbs, 0);
        }
    }
    limbs
}

#[test]
fn every_kernel_computes_secret_powers_in_every_lane() {
    let (mut random, mut cases) = (Random(0), 0);
    for count in (1..=17).chain([8; 3]) {
        let moduli: Vec<Modulus<PRIME>> =
            (0..count).map(|n| Modulus::new(&modulus(&mut random, n + count))).collect();
        let exponents: Vec<[u64; PRIME]> = (0..count)
            .map(|n| match (n + count) % 6 {
                0 => [0; PRIME],
                1 => std::array::from_fn(|index| u64::from(index == 0)),
                2 => [u64::MAX; PRIME],
                _ => random.limbs(),
            })
            .collect();
        let bases: Vec<[u64; PRIME]> = moduli
            .iter()
            .enumerate()
            .map(|(n, modulus)| base(&mut random, modulus, n + count))
            .collect();
        for kernel in kernels() {
            let mut powers: Vec<SecretPower<'_>> = (0..count)
                .map(|n| Power { modulus: &moduli[n], exponent: &exponents[n], value: bases[n] })
                .collect();
            kernel.secret(&mut powers);
            for (n, computed) in powers.iter().enumerate() {
                let expected = power(&bases[n], &exponents[n], &moduli[n].limbs);
                assert_eq!(computed.value[..], expected, "{kernel:?}, {n} of {count}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, kernels().len() * (17 * 18 / 2 + 3 * 8));
}

#[test]
fn every_kernel_computes_public_powers_in_every_lane() {
    let (mut random, mut cases) = (Random(0), 0);
    for count in (1..=17).chain([8; 3]) {
        let moduli: Vec<Modulus<MODULUS>> =
            (0..count).map(|n| Modulus::new(&modulus(&mut random, n + count))).collect();
        // All alike, or each another one.
        let exponent = |n: usize| match count % 3 {
            0 => 65537,
            1 => [3, 65537, u32::MAX, 0x8000_0001, 17][n % 5],
            _ => 3 + 2 * u32::try_from(n).unwrap(),
        };
        let bases: Vec<[u64; MODULUS]> = moduli
            .iter()
            .enumerate()
            .map(|(n, modulus)| base(&mut random, modulus, n + count))
            .collect();
        for kernel in kernels() {
            let mut powers: Vec<PublicPower<'_>> = (0..count)
                .map(|n| Power { modulus: &moduli[n], exponent: exponent(n), value: bases[n] })
                .collect();
            kernel.public(&mut powers);
            for (n, computed) in powers.iter().enumerate() {
                let expected = power(&bases[n], &[u64::from(exponent(n))], &moduli[n].limbs);
                assert_eq!(computed.value[..], expected, "{kernel:?}, {n} of {count}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, kernels().len() * (17 * 18 / 2 + 3 * 8));
}

/// A private operation by itself has a kernel of its own. Carries run through all digits of powers that have few: 0, 1
/// and 2 are often among them.
#[test]
fn two_secret_powers_are_those_of_the_software_kernel() {
    let mut random = Random(1);
    // Where there is no other kernel, the cases are computed alone.
    let cases = if kernels().len() == 1 { 10 } else { 1000 };
    for case in 0..cases {
        let mut pick = || usize::try_from(random.limb() % 1000).unwrap();
        let (picks, count) = ([[pick(), pick(), pick()], [pick(), pick(), pick()]], 1 + pick() % 2);
        let moduli = picks.map(|[pick, ..]| Modulus::<PRIME>::new(&modulus(&mut random, pick)));
        let exponents: [[u64; PRIME]; 2] = picks.map(|[_, pick, _]| match pick % 7 {
            0 => [0; PRIME],
            1 => std::array::from_fn(|index| u64::from(index == 0)),
            2 => [u64::MAX; PRIME],
            3 => std::array::from_fn(|index| if index < pick % PRIME { random.limb() } else { 0 }),
            _ => random.limbs(),
        });
        let bases = [0, 1].map(|number| base(&mut random, &moduli[number], picks[number][2]));
        let powers = |kernel: ModExp| {
            let power = |n| Power { modulus: &moduli[n], exponent: &exponents[n], value: bases[n] };
            let mut powers: Vec<SecretPower<'_>> = (0..count).map(power).collect();
            kernel.secret(&mut powers);
            powers.iter().map(|power| power.value).collect::<Vec<_>>()
        };
        assert_eq!(powers(ModExp::detect()), powers(ModExp::SOFTWARE), "case {case}: {picks:?}");
    }
}
