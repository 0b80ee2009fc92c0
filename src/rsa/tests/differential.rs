//! Random operations with keys of extreme primes and with others, whose results the `rsa` crate and AWS-LC have as well:
//! messages that each of the three encrypted, with SHA-256 or SHA-1 and a label or none, changed ciphertexts, and numbers
//! that nobody encrypted.

use std::collections::BTreeMap;
use std::env;

use ::rsa::PrivateKey as RsaPrivateKey;
use ::rsa::oaep::Oaep;
use ::rsa::rand_core::UnwrapErr;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use getrandom::SysRng;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::extremes;
use crate::backend::mod_exp::ModExp;
use crate::error::Error;
use crate::random;
use crate::rsa::{MESSAGE_MAX, PrivateKey, PublicKey, crt, oaep, unwrap_batch};
use crate::secret::{Expected, Secret};

/// Operations without `STRONGROOM_RSA_DIFFERENTIAL`, which says how many.
const FEW: usize = 150;

/// One key in the hands of all three.
struct Keys {
    ours: PrivateKey,
    theirs: RsaPrivateKey,
    aws_private: OaepPrivateDecryptingKey,
    aws_public: OaepPublicEncryptingKey,
}

impl Keys {
    fn of(ours: PrivateKey) -> Self {
        let private = ours.to_pkcs8_der().unwrap();
        let private = PrivateDecryptingKey::from_pkcs8(private.expose()).unwrap();
        let public = ours.public_key().to_spki_der().unwrap();
        let public = PublicEncryptingKey::from_der(&public).unwrap();
        Self {
            theirs: super::oracle(&ours),
            aws_private: OaepPrivateDecryptingKey::new(private).unwrap(),
            aws_public: OaepPublicEncryptingKey::new(public).unwrap(),
            ours,
        }
    }
}

/// Random bytes, taken one by one and in pieces.
struct Dice(Vec<u8>);

impl Dice {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        if self.0.len() < length {
            self.0 = vec![0; 4096];
            random::fill(&mut self.0).unwrap();
        }
        self.0.split_off(self.0.len() - length)
    }

    /// Less than `limit`.
    fn below(&mut self, limit: usize) -> usize {
        let bytes = self.bytes(4);
        u32::from_le_bytes(bytes.try_into().unwrap()) as usize % limit
    }
}

/// A hash, with what the others call it.
trait Hash: Digest {
    const AWS: &'static OaepAlgorithm;
    /// The longest message.
    const MAX: usize;

    fn padding(label: &[u8]) -> Oaep<Self>
    where
        Self: Sized;
    /// Decrypts by the public function, of an empty label.
    fn unlabelled(key: &PrivateKey, ciphertext: &[u8]) -> Option<Vec<u8>>;
}

impl Hash for Sha256 {
    const AWS: &'static OaepAlgorithm = &OAEP_SHA256_MGF1SHA256;
    const MAX: usize = MESSAGE_MAX;

    fn padding(label: &[u8]) -> Oaep<Self> {
        Oaep::new_with_label(label)
    }

    fn unlabelled(key: &PrivateKey, ciphertext: &[u8]) -> Option<Vec<u8>> {
        accepted(key.decrypt_oaep_256(ciphertext))
    }
}

impl Hash for Sha1 {
    const AWS: &'static OaepAlgorithm = &OAEP_SHA1_MGF1SHA1;
    const MAX: usize = 214;

    fn padding(label: &[u8]) -> Oaep<Self> {
        Oaep::new_with_label(label)
    }

    fn unlabelled(key: &PrivateKey, ciphertext: &[u8]) -> Option<Vec<u8>> {
        accepted(key.decrypt_oaep_sha1(ciphertext))
    }
}

/// The message; nothing where it was refused with the one error.
fn accepted(result: Result<crate::secret::SecretVec, Error>) -> Option<Vec<u8>> {
    match result {
        Ok(message) => Some(message.expose().to_vec()),
        Err(Error::Authentication) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// The kinds of operations, counted by whether the ciphertext is accepted.
type Counts = BTreeMap<(&'static str, bool), usize>;

/// A ciphertext of one of five kinds, and the message in it, if there is one.
fn ciphertext<H: Hash>(
    keys: &Keys,
    label: &[u8],
    dice: &mut Dice,
) -> (&'static str, Vec<u8>, Option<Vec<u8>>)
where
    Oaep<H>: ::rsa::traits::PaddingScheme,
{
    let length = match dice.below(4) {
        0 => 40,
        1 => H::MAX - dice.below(2),
        _ => dice.below(H::MAX + 1),
    };
    let message = dice.bytes(length);
    let by_theirs = || {
        let public = keys.theirs.to_public_key();
        public.encrypt(&mut UnwrapErr(SysRng), H::padding(label), &message).unwrap()
    };
    match dice.below(5) {
        0 if H::MAX == MESSAGE_MAX => {
            let seed = Secret::generate().unwrap();
            let public: PublicKey = keys.ours.public_key();
            let text = public.encrypt_labelled(&message, label, &seed).unwrap().to_vec();
            ("ours", text, Some(message))
        }
        0 | 1 => ("theirs", by_theirs(), Some(message)),
        2 => {
            let mut buffer = [0; 256];
            let label = Some(label).filter(|label| !label.is_empty());
            let text = keys.aws_public.encrypt(H::AWS, &message, &mut buffer, label).unwrap();
            ("aws-lc", text.to_vec(), Some(message))
        }
        3 => {
            let mut text = by_theirs();
            text[dice.below(256)] ^= 1 << dice.below(8);
            ("changed", text, None)
        }
        _ => {
            let mut text = dice.bytes(256);
            // Less than the modulus or more, as it comes.
            text[0] >>= dice.below(2);
            ("random", text, None)
        }
    }
}

/// One operation with every interface that there is for it.
fn operate<H: Hash>(keys: &Keys, dice: &mut Dice, counts: &mut Counts)
where
    Oaep<H>: ::rsa::traits::PaddingScheme,
{
    let label_length = [0, 0, 1, 5, 100][dice.below(5)];
    let label = dice.bytes(label_length);
    let (kind, text, message) = ciphertext::<H>(keys, &label, dice);
    let case = || format!("{kind}, label {label:02x?}, {text:02x?} with {:?}", keys.theirs);

    let theirs = keys.theirs.decrypt(H::padding(&label), &text).ok();
    let mut buffer = [0; 256];
    let aws_label = Some(&label[..]).filter(|label| !label.is_empty());
    let aws = keys.aws_private.decrypt(H::AWS, &text, &mut buffer, aws_label).ok();
    assert_eq!(theirs, message, "the rsa crate: {}", case());
    assert_eq!(aws.map(|message| message.to_vec()), message, "AWS-LC: {}", case());

    for kernel in [ModExp::detect(), ModExp::SOFTWARE] {
        let decrypted = crt::decrypt(kernel, &[(&keys.ours, &text)]).pop().unwrap();
        let ours =
            decrypted.and_then(|mut encoded| oaep::decode::<H>(encoded.expose_mut(), &label));
        assert_eq!(accepted(ours), message, "{kernel:?}: {}", case());
    }
    if label.is_empty() {
        assert_eq!(H::unlabelled(&keys.ours, &text), message, "{}", case());
    }
    if label.is_empty() && H::MAX == MESSAGE_MAX {
        let batch = unwrap_batch(&[(&keys.ours, &text[..]); 3]);
        for in_batch in batch {
            assert_eq!(accepted(in_batch), message, "in a batch: {}", case());
        }
        // With the right form, and with the wrong length or prefix.
        let found = message.clone().unwrap_or_else(|| vec![0; 40]);
        let prefix = &found[..found.len().min(8)];
        let mut other = prefix.to_vec();
        for (prefix, length) in [
            (prefix, found.len()),
            (prefix, found.len() + 1),
            (prefix, found.len().saturating_sub(1)),
            (other.first_mut().map(|byte| *byte ^= 1).map_or(&[1][..], |()| &other), found.len()),
        ] {
            let expected = Expected::new(prefix, length);
            let is_its_form = length == found.len() && found.starts_with(prefix);
            let ours = accepted(keys.ours.decrypt_oaep_256_expected(&text, expected));
            assert_eq!(ours, message.clone().filter(|_| is_its_form), "{expected:?}: {}", case());
        }
    }
    *counts.entry((kind, message.is_some())).or_default() += 1;
}

#[test]
fn random_operations_agree_with_the_rsa_crate_and_aws_lc() {
    let many = env::var("STRONGROOM_RSA_DIFFERENTIAL").ok().map(|count| count.parse().unwrap());
    let operations: usize = many.unwrap_or(FEW);
    let mut keys: Vec<Keys> = extremes::keys().into_iter().map(|(key, _)| Keys::of(key)).collect();
    assert_eq!(keys.len(), 24);
    for _ in 0..operations.div_ceil(1000) {
        keys.push(Keys::of(PrivateKey::generate().unwrap()));
        let theirs = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&theirs).unwrap();
        keys.push(Keys::of(PrivateKey::from_pkcs8_der(der.as_ref()).unwrap()));
    }
    let (mut dice, mut counts) = (Dice(Vec::new()), Counts::new());
    for number in 0..operations {
        let keys = &keys[number % keys.len()];
        // One of three with SHA-1.
        if dice.below(3) == 0 {
            operate::<Sha1>(keys, &mut dice, &mut counts);
        } else {
            operate::<Sha256>(keys, &mut dice, &mut counts);
        }
    }
    println!("{operations} operations with {} keys: {counts:?}", keys.len());
    assert_eq!(counts.values().sum::<usize>(), operations);
    for kind in
        [("ours", true), ("theirs", true), ("aws-lc", true), ("changed", false), ("random", false)]
    {
        let count = counts.get(&kind).copied().unwrap_or(0);
        assert!(count >= operations / 50, "{kind:?}: {counts:?}");
    }
    assert_eq!(counts.len(), 5);
}
