//! Keys for the tests of this module, and PKCS#8 made of any numbers.

use std::sync::LazyLock;

use ::rsa::pkcs1::{self, RsaPrivateKeyRef, UintRef};
use ::rsa::pkcs8::der::Encode;
use ::rsa::pkcs8::der::asn1::OctetStringRef;
use ::rsa::pkcs8::spki::AlgorithmIdentifierRef;
use ::rsa::pkcs8::{DecodePrivateKey, PrivateKeyInfoRef};
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use ::rsa::{BoxedUint, PrivateKey as RsaPrivateKey};

use super::PrivateKey;

mod batch;
mod differential;
mod extremes;
mod generate;
mod keys;
mod oaep;
mod texts;
mod timing;

/// One key for all tests that do not care which.
static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate().unwrap());

/// The same key as one of the `rsa` crate.
fn oracle(key: &PrivateKey) -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_der(key.to_pkcs8_der().unwrap().expose()).unwrap()
}

/// The numbers of an `RSAPrivateKey`, big-endian.
#[derive(Clone)]
struct Numbers {
    n: Vec<u8>,
    e: Vec<u8>,
    d: Vec<u8>,
    p: Vec<u8>,
    q: Vec<u8>,
    dp: Vec<u8>,
    dq: Vec<u8>,
    qinv: Vec<u8>,
}

impl Numbers {
    /// A key that the `rsa` crate accepts. Where it has no CRT values, ones stand for them.
    fn of(key: &RsaPrivateKey) -> Self {
        let bytes = |number: &BoxedUint| number.to_be_bytes().into_vec();
        let [p, q] = key.primes() else { panic!("two factors") };
        Self {
            n: bytes(key.n()),
            e: bytes(key.e()),
            d: bytes(key.d()),
            p: bytes(p),
            q: bytes(q),
            dp: key.dp().map_or_else(|| [1].into(), bytes),
            dq: key.dq().map_or_else(|| [1].into(), bytes),
            qinv: key.crt_coefficient().as_ref().map_or_else(|| [1].into(), bytes),
        }
    }

    /// These numbers as PKCS#8.
    fn pkcs8(&self) -> Vec<u8> {
        self.pkcs8_as(pkcs1::ALGORITHM_ID)
    }

    /// These numbers as PKCS#8 of another algorithm.
    fn pkcs8_as(&self, algorithm: AlgorithmIdentifierRef<'_>) -> Vec<u8> {
        let uint = |bytes| UintRef::new(bytes).unwrap();
        let key = RsaPrivateKeyRef {
            modulus: uint(&self.n),
            public_exponent: uint(&self.e),
            private_exponent: uint(&self.d),
            prime1: uint(&self.p),
            prime2: uint(&self.q),
            exponent1: uint(&self.dp),
            exponent2: uint(&self.dq),
            coefficient: uint(&self.qinv),
            other_prime_infos: None,
        };
        pkcs8(algorithm, &key)
    }
}

/// An `RSAPrivateKey` as PKCS#8.
fn pkcs8(algorithm: AlgorithmIdentifierRef<'_>, key: &RsaPrivateKeyRef<'_>) -> Vec<u8> {
    let key = key.to_der().unwrap();
    let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&key).unwrap());
    info.to_der().unwrap()
}
