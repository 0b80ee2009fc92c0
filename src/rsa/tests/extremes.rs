//! Keys whose primes are at the edges of what is accepted, and random operations with them and others, against numbers
//! that other crates compute.

use std::env;

use ::rsa::PrivateKey as RsaPrivateKey;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};

use super::Numbers;
use crate::backend::mod_exp::ModExp;
use crate::random;
use crate::rsa::{MESSAGE_MAX, PrivateKey, crt};

const WIDTH: u32 = 2048;

fn power_of_two(exponent: u32) -> BoxedUint {
    BoxedUint::one_with_precision(WIDTH).shl(exponent)
}

/// Pairs of primes, each the least or the greatest of its place that goes with every exponent below.
fn primes() -> [[BoxedUint; 2]; 4] {
    let above = |number: BoxedUint, by: u64| number.wrapping_add(BoxedUint::from(by));
    let below = |number: BoxedUint, by: u64| number.wrapping_sub(BoxedUint::from(by));
    let (least, highest) = (power_of_two(1023), power_of_two(1024));
    // The least whose square has 2048 bits.
    let root = above(power_of_two(2047).floor_sqrt(), 1);
    [
        [below(highest.clone(), 179), below(highest.wrapping_sub(power_of_two(926)), 193)],
        [above(least.clone(), 1155), below(highest.clone(), 179)],
        [above(root.clone(), 2812), above(root.wrapping_add(power_of_two(926)), 798)],
        // Limbs of zeros and of ones.
        [
            above(least.wrapping_add(power_of_two(1022)).wrapping_add(power_of_two(64)), 289),
            above(highest.wrapping_sub(power_of_two(960)), 5693),
        ],
    ]
}

/// A key of each pair, with each exponent of interest, and in either order.
pub(super) fn keys() -> Vec<(PrivateKey, Numbers)> {
    let narrow =
        |prime: &BoxedUint| BoxedUint::from_be_slice(&prime.to_be_bytes()[128..], 1024).unwrap();
    let mut keys = Vec::new();
    for [p, q] in primes() {
        for e in [3, 65537, u64::from(u32::MAX)] {
            for (p, q) in [(&p, &q), (&q, &p)] {
                let key = RsaPrivateKey::from_p_q(narrow(p), narrow(q), e.into()).unwrap();
                let numbers = Numbers::of(&key);
                keys.push((PrivateKey::from_pkcs8_der(&numbers.pkcs8()).unwrap(), numbers));
            }
        }
    }
    keys
}

/// Random ciphertexts to the power of `d`, by every kernel and by another crate; and messages, which that of AWS opens.
fn agrees(key: &PrivateKey, numbers: &Numbers, operations: usize) {
    let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, WIDTH).unwrap();
    let params = BoxedMontyParams::new(Odd::new(number(&numbers.n)).unwrap());
    let d = number(&numbers.d);
    let mut ciphertexts = vec![[0; 256]; operations];
    for ciphertext in &mut ciphertexts {
        random::fill(&mut ciphertext[1..]).unwrap(); // less than the modulus
    }
    let items: Vec<_> = ciphertexts.iter().map(|text| (key, &text[..])).collect();
    let expected: Vec<_> = ciphertexts
        .iter()
        .map(|text| BoxedMontyForm::new(number(text), &params).pow(&d).retrieve().to_be_bytes())
        .collect();
    for kernel in [ModExp::detect(), ModExp::SOFTWARE] {
        for (result, expected) in crt::decrypt(kernel, &items).iter().zip(&expected) {
            assert_eq!(result.as_ref().unwrap().expose(), &**expected, "{kernel:?}");
        }
    }

    let theirs = PrivateDecryptingKey::from_pkcs8(key.to_pkcs8_der().unwrap().expose()).unwrap();
    let theirs = OaepPrivateDecryptingKey::new(theirs).unwrap();
    for length in (0..=MESSAGE_MAX).step_by(MESSAGE_MAX / operations.min(MESSAGE_MAX)) {
        let message = vec![7; length];
        let ciphertext = key.public_key().encrypt_oaep_256(&message).unwrap();
        let mut buffer = [0; 256];
        let opened =
            theirs.decrypt(&OAEP_SHA256_MGF1SHA256, &ciphertext, &mut buffer, None).unwrap();
        assert_eq!(opened, message);
        assert_eq!(key.decrypt_oaep_256(&ciphertext).unwrap().expose(), message);
    }
}

/// `STRONGROOM_RSA_OPERATIONS` says how many with each key; and so many keys of AWS's are read.
#[test]
fn keys_of_extreme_primes_and_of_others_making_agree_with_other_crates() {
    let many = env::var("STRONGROOM_RSA_OPERATIONS").ok().map(|count| count.parse().unwrap());
    let operations: usize = many.unwrap_or(3);
    let extremes = keys();
    for (key, numbers) in &extremes {
        agrees(key, numbers, operations);
    }
    let mut keys = extremes.len();
    for _ in 0..many.unwrap_or(1) {
        let theirs = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&theirs).unwrap();
        let key = PrivateKey::from_pkcs8_der(der.as_ref()).unwrap();
        agrees(&key, &Numbers::of(&super::oracle(&key)), operations);
        // Ours is read by theirs, in `agrees`; and it is written as OpenSSL's kin writes it.
        assert_eq!(key.to_pkcs8_der().unwrap().expose(), der.as_ref());
        let ours = PrivateKey::generate().unwrap();
        agrees(&ours, &Numbers::of(&super::oracle(&ours)), operations);
        keys += 2;
    }
    assert_eq!(keys, 24 + 2 * many.unwrap_or(1));
}
