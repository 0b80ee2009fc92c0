//! The private operation: RSADP with the Chinese remainder theorem (RFC 8017 section 5.1.2), several at a time.
//!
//! ```text
//! m_1 = c^dP modulo p,  m_2 = c^dQ modulo q         all halves of a batch at once, in the lanes of the kernel
//! h = (m_1 - m_2) qInv modulo p
//! m = m_2 + q h
//! m^e = c modulo n?                                 all of them at once again, before anything looks at m
//! ```
//!
//! The check is what keeps a fault of the processor or of memory from giving the primes away: of a result that is right
//! modulo one prime alone, `gcd(m^e - c, n)` is that prime (Boneh, DeMillo and Lipton, EUROCRYPT 1997).
//!
//! **Constant-time, and not blinded.** Base blinding hides from the clock what an operation does that takes a time
//! depending on its numbers. None here does: conversions, the kernel, the recombination and the check run through the
//! same instructions and addresses whatever the numbers are (`arch::mod_exp`), so that neither the clock nor caches nor
//! the branch predictor show them. What blinding would make harder, and this does not defend against: measuring the
//! processor's power or radiation while it decrypts many ciphertexts that the attacker chose, frequency scaling
//! included (Hertzbleed, USENIX Security 2022).

use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use super::arithmetic::{Half, Whole, from_bytes, is_less, product, reduce, to_bytes};
use super::private_key::Numbers;
use super::{MODULUS_LEN, PrivateKey};
use crate::backend::mod_exp::{MODULUS, ModExp, PRIME, PublicPower, SecretPower};
use crate::error::Error;
use crate::secret::{SecretVec, reveal_bit};

/// A ciphertext of a batch, with the key that it is for.
pub(super) type Item<'a> = (&'a PrivateKey, &'a [u8]);

/// The encoded message of each ciphertext, 256 bytes.
///
/// # Errors
///
/// [`Error::Authentication`] where a ciphertext is not a number below the modulus, of 256 bytes; [`Error::Fault`] where
/// a result is not right.
pub(super) fn decrypt(kernel: ModExp, items: &[Item<'_>]) -> Vec<Result<SecretVec, Error>> {
    let ciphertexts: Vec<_> = items.iter().map(number).collect();
    let operations: Vec<(&Numbers, &Whole)> = ciphertexts
        .iter()
        .zip(items)
        .filter_map(|(number, (key, _))| Some((key.numbers(), number.as_ref()?)))
        .collect();

    let mut halves = Vec::with_capacity(2 * operations.len());
    for (key, ciphertext) in &operations {
        for (modulus, exponent) in [(&key.p, &key.dp), (&key.q, &key.dq)] {
            let value = [0; PRIME];
            halves.push(SecretPower { modulus, exponent, value });
            if let Some(half) = halves.last_mut() {
                half.value = *reduce(ciphertext, modulus);
            }
        }
    }
    kernel.secret(&mut halves);

    let mut messages = Vec::with_capacity(operations.len());
    let mut checks = Vec::with_capacity(operations.len());
    for ((key, _), halves) in operations.iter().zip(halves.as_chunks().0) {
        checks.push(PublicPower {
            modulus: key.public.modulus(),
            exponent: key.public.exponent(),
            value: [0; MODULUS],
        });
        let mut encoded = SecretVec::zeroed(MODULUS_LEN);
        if let Some(check) = checks.last_mut() {
            recombine(key, halves, &mut check.value);
            to_bytes(&check.value, encoded.expose_mut());
        }
        messages.push(encoded);
    }
    kernel.public(&mut checks);

    let mut results =
        operations.iter().zip(checks).zip(messages).map(|((operation, check), message)| {
            let is_right = check.value.ct_eq(operation.1.as_slice());
            if reveal_bit(is_right) { Ok(message) } else { Err(Error::Fault) }
        });
    ciphertexts
        .iter()
        .map(|number| {
            number.as_ref().and_then(|_| results.next()).unwrap_or(Err(Error::Authentication))
        })
        .collect()
}

/// The ciphertext as a number, where it is one below the modulus.
fn number((key, ciphertext): &Item<'_>) -> Option<Whole> {
    let number = from_bytes(ciphertext).filter(|_| ciphertext.len() == MODULUS_LEN)?;
    let is_below: bool = is_less(&number, &key.numbers().public.modulus().limbs).into();
    is_below.then_some(number)
}

/// Writes the number whose remainders are the two halves.
#[inline(never)] // none of it stays in the caller's frame, whose results have unused bytes
fn recombine(key: &Numbers, [first, second]: &[SecretPower<'_>; 2], message: &mut [u64; MODULUS]) {
    let mut h = Half::new(first.value);
    let mut subtrahend = Half::new(second.value);
    // Less than q, and with that less than 2 p.
    key.p.reduce_once(&mut subtrahend, 0);
    key.p.subtract(&mut h, &subtrahend);
    key.p.multiply(&mut h, &key.coefficient);
    *message = *product(&h, &key.q.limbs);
    let mut carry = false;
    let addends = second.value.iter().chain([&0; PRIME]);
    for (limb, addend) in message.iter_mut().zip(addends) {
        (*limb, carry) = limb.carrying_add(*addend, carry);
    }
}
