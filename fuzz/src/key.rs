//! Files with RSA keys, of numbers that are sound but for the ones that an input changes.

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use crypto_bigint::BoxedUint;
use rsa::pkcs1::{self, OtherPrimeInfo, RsaPrivateKeyRef, RsaPublicKeyRef, UintRef};
use rsa::pkcs8::der::asn1::{BitStringRef, OctetStringRef};
use rsa::pkcs8::der::pem::{LineEnding, encode_string};
use rsa::pkcs8::der::{Encode, Result};
use rsa::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};

use crate::change::Change;

/// Keys that the numbers are of: of the exponents 65537 and 3, of 1024 bits, and of three primes.
const SOURCES: [&str; 4] = [
    include_str!("../../tests/imported/pkcs8.pem"),
    include_str!("../../tests/imported/e3.pem"),
    include_str!("../../tests/imported/rsa1024.pem"),
    include_str!("../../tests/imported/multi.pem"),
];

/// The numbers n, e, d, p, q, dP, dQ and qInv, big-endian.
type Numbers = [Vec<u8>; 8];

static NUMBERS: LazyLock<[Numbers; 4]> = LazyLock::new(|| SOURCES.map(numbers));

fn numbers(pem: &str) -> Numbers {
    let (_, der) = SecretDocument::from_pem(pem).expect("a key");
    let info = PrivateKeyInfoRef::try_from(der.as_bytes()).expect("a key");
    let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).expect("a key");
    [
        key.modulus,
        key.public_exponent,
        key.private_exponent,
        key.prime1,
        key.prime2,
        key.exponent1,
        key.exponent2,
        key.coefficient,
    ]
    .map(|number| number.as_bytes().to_vec())
}

/// A file, chosen by an input.
#[derive(Arbitrary, Debug)]
pub struct KeyFile {
    /// Rarely another than the first two.
    source: u8,
    changes: [Option<(u8, NumberChange)>; 2],
    is_public: bool,
    form: Form,
    encoding: Encoding,
    /// After everything else, rarely.
    damage: (u8, Change),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum NumberChange {
    Byte(Change),
    Add(i8),
    /// The number at this place, of the same key.
    Other(u8),
    /// The number at its own place, of another key.
    OfOtherKey(u8),
    Small(u8),
    Longer(u8),
    Shorter(u8),
    /// The private exponent more by so many times `(p - 1)(q - 1)`: an inverse too, mostly too large.
    Congruent(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Form {
    Pkcs1,
    /// With a third prime, where the key is private.
    Pkcs1Multi,
    /// PKCS#8 or `SubjectPublicKeyInfo`.
    WithAlgorithm,
    WithoutParameters,
    OtherAlgorithm,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Encoding {
    Der,
    Pem,
    PemWithCrLf,
}

impl NumberChange {
    fn apply(self, numbers: &mut Numbers, place: usize) {
        let other = |place: u8| usize::from(place) % 8;
        match self {
            Self::Byte(change) => {
                change.apply(&mut numbers[place]);
            }
            Self::Add(difference) => {
                // In the last byte alone.
                if let Some(byte) = numbers[place].last_mut() {
                    *byte = byte.wrapping_add_signed(difference);
                }
            }
            Self::Other(from) => numbers[place] = numbers[other(from)].clone(),
            Self::OfOtherKey(key) => {
                numbers[place] = NUMBERS[usize::from(key) % 4][place].clone();
            }
            Self::Small(number) => numbers[place] = vec![number],
            Self::Longer(first) => numbers[place].insert(0, first),
            Self::Shorter(by) => {
                let end = usize::from(by % 4).min(numbers[place].len());
                numbers[place].drain(..end);
            }
            Self::Congruent(times) => {
                let [_, _, d, p, q, ..] = &numbers;
                let wide = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, 4096).unwrap_or_default();
                let less_one =
                    |prime| wide(prime).wrapping_sub(BoxedUint::one_with_precision(4096));
                let order = less_one(p).wrapping_mul(less_one(q));
                let more = order.wrapping_mul(BoxedUint::from(u64::from(times % 4)));
                numbers[2] = wide(d).wrapping_add(more).to_be_bytes().into_vec();
            }
        }
    }
}

impl KeyFile {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let source = match self.source {
            common @ 0..0xe0 => usize::from(common % 2),
            rare => usize::from(rare % 4),
        };
        let mut numbers = NUMBERS[source].clone();
        for (place, change) in self.changes.into_iter().flatten() {
            change.apply(&mut numbers, usize::from(place) % 8);
        }
        for number in &mut numbers {
            if number.is_empty() {
                number.push(0);
            }
        }
        let der = self.der(&numbers).unwrap_or_default();
        let label = match (self.form, self.is_public) {
            (Form::Pkcs1 | Form::Pkcs1Multi, true) => "RSA PUBLIC KEY",
            (Form::Pkcs1 | Form::Pkcs1Multi, false) => "RSA PRIVATE KEY",
            (_, true) => "PUBLIC KEY",
            (_, false) => "PRIVATE KEY",
        };
        let pem = |line_end| encode_string(label, line_end, &der).unwrap_or_default().into_bytes();
        let mut file = match self.encoding {
            Encoding::Der => der,
            Encoding::Pem => pem(LineEnding::LF),
            Encoding::PemWithCrLf => pem(LineEnding::CRLF),
        };
        if self.damage.0 > 0xf0 {
            self.damage.1.apply(&mut file);
        }
        file
    }

    fn der(&self, numbers: &Numbers) -> Result<Vec<u8>> {
        let [n, e, d, p, q, dp, dq, qinv] = numbers.each_ref().map(|number| UintRef::new(number));
        let key = if self.is_public {
            RsaPublicKeyRef { modulus: n?, public_exponent: e? }.to_der()?
        } else {
            let third = OtherPrimeInfo { prime: p?, exponent: dp?, coefficient: qinv? };
            let third = matches!(self.form, Form::Pkcs1Multi).then(|| vec![third]);
            RsaPrivateKeyRef {
                modulus: n?,
                public_exponent: e?,
                private_exponent: d?,
                prime1: p?,
                prime2: q?,
                exponent1: dp?,
                exponent2: dq?,
                coefficient: qinv?,
                other_prime_infos: third,
            }
            .to_der()?
        };
        let algorithm = match self.form {
            Form::Pkcs1 | Form::Pkcs1Multi => return Ok(key),
            Form::WithAlgorithm => pkcs1::ALGORITHM_ID,
            Form::WithoutParameters => {
                AlgorithmIdentifierRef { parameters: None, ..pkcs1::ALGORITHM_ID }
            }
            Form::OtherAlgorithm => {
                let oid = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
                AlgorithmIdentifierRef { oid, parameters: None }
            }
        };
        if self.is_public {
            let subject_public_key = BitStringRef::from_bytes(&key)?;
            SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der()
        } else {
            PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&key)?).to_der()
        }
    }
}
