use std::time::Instant;

use super::*;
use crate::arch::mod_exp::{MODULUS, Modulus, PRIME, Power};

fn random<const N: usize>(seed: &mut u64) -> [u64; N] {
    std::array::from_fn(|_| {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *seed ^ *seed >> 29
    })
}

#[test]
fn time() {
    let mut seed = 7;
    let moduli: Vec<Modulus<PRIME>> = (0..8)
        .map(|_| {
            let mut n = random(&mut seed);
            n[0] |= 1;
            n[15] |= 1 << 63;
            Modulus::new(&n)
        })
        .collect();
    let exponents: Vec<[u64; PRIME]> = (0..8).map(|_| random(&mut seed)).collect();
    let bases: Vec<[u64; PRIME]> = (0..8)
        .map(|_| {
            let mut b = random(&mut seed);
            b[15] >>= 1;
            b
        })
        .collect();
    let powers = || -> Vec<SecretPower<'_>> {
        (0..8).map(|i| Power { modulus: &moduli[i], exponent: &exponents[i], value: bases[i] }).collect()
    };
    let big: Vec<Modulus<MODULUS>> = (0..8)
        .map(|_| {
            let mut n = random(&mut seed);
            n[0] |= 1;
            n[31] |= 1 << 63;
            Modulus::new(&n)
        })
        .collect();
    let big_bases: Vec<[u64; MODULUS]> = (0..8)
        .map(|_| {
            let mut b = random(&mut seed);
            b[31] >>= 1;
            b
        })
        .collect();
    let publics = || -> Vec<PublicPower<'_>> {
        (0..8).map(|i| Power { modulus: &big[i], exponent: 65537, value: big_bases[i] }).collect()
    };
    let (mut a, mut b) = (powers(), powers());
    ModExp::detect().secret(&mut a);
    ModExp::SOFTWARE.secret(&mut b);
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.value, b.value);
    }
    let (mut a, mut b) = (publics(), publics());
    ModExp::detect().public(&mut a);
    ModExp::SOFTWARE.public(&mut b);
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.value, b.value);
    }
    for kernel in [ModExp::detect()] {
        let best = (0..2000).map(|_| { let mut p = powers(); let t = Instant::now(); kernel.secret(&mut p); t.elapsed() }).min();
        let best2 = (0..2000).map(|_| { let mut p = publics(); let t = Instant::now(); kernel.public(&mut p); t.elapsed() }).min();
        println!("{kernel:?} eight secret {best:?} eight public {best2:?}");
    }
}

#[test]
fn peer() {
    use aws_lc_rs::rsa::*;
    let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let public = OaepPublicEncryptingKey::new(private.public_key()).unwrap();
    let mut out = [0; 256];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 48], &mut out, None).unwrap();
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    let mut plain = [0; 256];
    let best = (0..2000).map(|_| { let t = Instant::now(); private.decrypt(&OAEP_SHA256_MGF1SHA256, &out, &mut plain, None).unwrap(); t.elapsed() }).min();
    let best2 = (0..2000).map(|_| { let t = Instant::now(); public.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 48], &mut out, None).unwrap(); t.elapsed() }).min();
    println!("aws-lc-rs decrypt {best:?} encrypt {best2:?}");
}
