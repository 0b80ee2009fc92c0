//! The private operation: every place of a batch, mixed keys, numbers at the edges, and injected faults.

use std::sync::LazyLock;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};

use super::{KEY, Numbers, oracle};
use crate::backend::mod_exp::ModExp;
use crate::error::Error;
use crate::rsa::{PrivateKey, crt, unwrap_batch};

static KEYS: LazyLock<Vec<PrivateKey>> =
    LazyLock::new(|| (0..3).map(|_| PrivateKey::generate().unwrap()).collect());

/// Kernels that this processor can run.
fn kernels() -> Vec<ModExp> {
    let mut kernels = vec![ModExp::detect(), ModExp::SOFTWARE];
    kernels.dedup();
    kernels
}

#[test]
fn each_place_of_a_batch_has_its_own_key_and_result() {
    let wrapped: Vec<(usize, Vec<u8>, [u8; 256])> = (0..17_u8)
        .map(|number| {
            let (key, message) =
                (usize::from(number) % KEYS.len(), vec![number; usize::from(number)]);
            let ciphertext = KEYS[key].public_key().encrypt_oaep_256(&message).unwrap();
            (key, message, ciphertext)
        })
        .collect();
    let mut refused = 0;
    for count in 0..=17 {
        // None is changed, then each in turn.
        for bad in 0..=count {
            let changed: Vec<Vec<u8>> = wrapped[..count]
                .iter()
                .enumerate()
                .map(|(place, (_, _, ciphertext))| match (place == bad, bad % 4) {
                    (true, 0) => ciphertext[1..].to_vec(),
                    (true, 1) => vec![0xff; 256],
                    (true, 2) => Vec::new(),
                    (true, _) => ciphertext.iter().map(|byte| byte ^ 1).collect(),
                    (false, _) => ciphertext.to_vec(),
                })
                .collect();
            let items: Vec<_> =
                wrapped.iter().zip(&changed).map(|(of, text)| (&KEYS[of.0], &text[..])).collect();
            let results = unwrap_batch(&items);
            assert_eq!(results.len(), count);
            for (place, (result, (_, message, _))) in results.iter().zip(&wrapped).enumerate() {
                if place == bad {
                    assert!(matches!(result, Err(Error::Authentication)), "{place} of {count}");
                    refused += 1;
                } else {
                    assert_eq!(result.as_ref().unwrap().expose(), message, "{place} of {count}");
                }
            }
        }
    }
    assert_eq!(refused, (0..=17).sum::<usize>());
}

/// Numbers that a half of the operation sees as 0, 1 or the greatest.
#[test]
fn numbers_at_the_edges_are_decrypted() {
    let numbers = Numbers::of(&oracle(&KEY));
    let boxed = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, 2048).unwrap();
    let (n, d) = (boxed(&numbers.n), boxed(&numbers.d));
    let params = BoxedMontyParams::new(Odd::new(n.clone()).unwrap());
    let one = BoxedUint::one_with_precision(2048);
    let mut ciphertexts = vec![one.wrapping_sub(&one), one.clone(), n.wrapping_sub(&one)];
    for prime in [boxed(&numbers.p), boxed(&numbers.q)] {
        for factor in [1_u64, 2, 65537, u64::MAX] {
            let multiple = prime.wrapping_mul(BoxedUint::from(factor));
            for number in [multiple.wrapping_add(&one), multiple.wrapping_sub(&one), multiple] {
                ciphertexts.push(number);
            }
        }
    }
    for kernel in kernels() {
        for ciphertext in &ciphertexts {
            let power = BoxedMontyForm::new(ciphertext.clone(), &params).pow(&d).retrieve();
            let bytes = ciphertext.to_be_bytes();
            let decrypted = crt::decrypt(kernel, &[(&KEY, &bytes)]).pop().unwrap().unwrap();
            assert_eq!(decrypted.expose(), &*power.to_be_bytes(), "{kernel:?}, {ciphertext}");
        }
        // The modulus and what is above are no ciphertexts.
        for bytes in [numbers.n.clone(), vec![0xff; 256]] {
            let refused = crt::decrypt(kernel, &[(&KEY, &bytes)]).pop().unwrap();
            assert!(matches!(refused, Err(Error::Authentication)));
        }
    }
}

/// A fault in either half, in what the table of powers is made of, or in the recombination: the result is
/// thrown away, and those beside it are not.
#[test]
fn a_fault_is_caught_and_nothing_leaves() {
    type Flip = fn(&mut PrivateKey, usize);
    let flips: [(&str, Flip); 9] = [
        ("first exponent", |key, bit| key.numbers_mut().dp[bit / 64] ^= 1 << (bit % 64)),
        ("second exponent", |key, bit| key.numbers_mut().dq[bit / 64] ^= 1 << (bit % 64)),
        ("first prime", |key, bit| key.numbers_mut().p.limbs[bit / 64] ^= 1 << (bit % 64)),
        ("second prime", |key, bit| key.numbers_mut().q.limbs[bit / 64] ^= 1 << (bit % 64)),
        ("first table", |key, bit| {
            key.numbers_mut().p.entry[bit / 64] ^= 1 << (bit % 64);
            key.numbers_mut().p.entry_52[bit / 64] ^= 1 << (bit % 64);
        }),
        ("second table", |key, bit| {
            key.numbers_mut().q.entry[bit / 64] ^= 1 << (bit % 64);
            key.numbers_mut().q.entry_52[bit / 64] ^= 1 << (bit % 64);
        }),
        ("first factor", |key, bit| key.numbers_mut().p.factor ^= 1 << (bit % 52)),
        ("second factor", |key, bit| key.numbers_mut().q.factor ^= 1 << (bit % 52)),
        ("coefficient", |key, bit| key.numbers_mut().coefficient[bit / 64] ^= 1 << (bit % 64)),
    ];
    let pkcs8 = KEY.to_pkcs8_der().unwrap();
    let ciphertext = KEY.public_key().encrypt_oaep_256(b"a data key").unwrap();
    let mut caught = 0;
    for (what, flip) in flips {
        // Inside of the number: a prime stays odd and of full length.
        for bit in [1, 65, 500, 1000] {
            let mut faulty = PrivateKey::from_pkcs8_der_known(pkcs8.expose(), |_| true).unwrap();
            flip(&mut faulty, bit);
            for kernel in kernels() {
                let items =
                    [(&*KEY, &ciphertext[..]), (&faulty, &ciphertext), (&*KEY, &ciphertext)];
                let results = crt::decrypt(kernel, &items);
                let [Ok(before), Err(Error::Fault), Ok(after)] = &results[..] else {
                    panic!("{what}, bit {bit}, {kernel:?}: {results:?}")
                };
                assert_eq!(before.expose(), after.expose());
                caught += 1;
            }
        }
    }
    assert_eq!(caught, flips.len() * 4 * kernels().len());
}

/// A thread that has no more stack than the documentation says (and what a thread takes itself) is enough.
#[test]
fn an_operation_takes_no_more_stack_than_is_said() {
    let said = if cfg!(debug_assertions) { 128 << 10 } else { 64 << 10 };
    let ciphertext = KEY.public_key().encrypt_oaep_256(b"a data key").unwrap();
    let pem = KEY.to_pkcs8_pem().unwrap();
    let work = move || {
        for kernel in kernels() {
            let items = [((&*KEY, &ciphertext[..]), None); 4];
            let messages = crate::rsa::batch::decrypt(kernel, &items);
            assert!(messages.iter().all(Result::is_ok), "{kernel:?}");
        }
        KEY.decrypt_oaep_256(&ciphertext).unwrap();
        let text = std::str::from_utf8(pem.expose()).unwrap();
        PrivateKey::from_pkcs8_pem(text).unwrap().to_pkcs8_pem().unwrap();
        PrivateKey::generate().unwrap().public_key().encrypt_oaep_256(b"").unwrap();
    };
    let thread = std::thread::Builder::new().stack_size(said + (8 << 10));
    thread.spawn(work).unwrap().join().unwrap();
}
