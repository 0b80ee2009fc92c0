//! Importing RSA keys and unwrapping with one. The input as it comes is a file with a key: what is accepted keeps the rules,
//! and what keeps them is accepted. A short input, which can be no key, also chooses one: a file with a key, and what is
//! changed of its numbers; or a message, how it is padded and what is changed of that, and each way of unwrapping gives what
//! a plain decoder does.

#![no_main]

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use rsa::BoxedUint;
use rsa::hazmat::rsa_encrypt;
use rsa::oaep::Oaep;
use rsa::pkcs8::{DecodePrivateKey, SecretDocument};
use sha2::{Digest, Sha256};
use strongroom::Error;
use strongroom::rsa::{PrivateKey, PublicKey};
use strongroom::secret::{Expected, SecretVec};
use strongroom::wrap::{KeyId, UnwrappingKey};
use strongroom_fuzz::change::Change;
use strongroom_fuzz::key::KeyFile;
use strongroom_fuzz::planted;
use strongroom_fuzz::rsa as reference;
use strongroom_fuzz::seed::Seed;

const FILE: &[u8] = include_bytes!("../../tests/imported/pkcs8.der");
/// Keys whose primes are known to be some.
const KNOWN: [&[u8]; 2] = [
    include_bytes!("../../tests/imported/public.pem"),
    include_bytes!("../../tests/imported/e3.public.pem"),
];
const PREFIX: [u8; 8] = *b"SRMDK\x01\x01\x01";

/// Bytes of the longest input that chooses.
const SHORT: usize = 64;

struct Keys {
    ours: PrivateKey,
    unwrapping: UnwrappingKey,
    theirs: rsa::PrivateKey,
    known: Vec<Vec<u8>>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let read = || PrivateKey::import(FILE).expect("a key");
    let known = KNOWN.map(|file| PublicKey::import(file).expect("a key").modulus_bytes().to_vec());
    Keys {
        ours: read(),
        unwrapping: UnwrappingKey::rsa(KeyId::new("vault/fuzz/1").expect("an id"), read()),
        theirs: rsa::PrivateKey::from_pkcs8_der(FILE).expect("a key"),
        known: known.to_vec(),
    }
});

#[derive(Arbitrary, Debug)]
enum Case {
    Wrapped(Wrapped),
    KeyFile(KeyFile),
}

#[derive(Arbitrary, Debug)]
struct Wrapped {
    seed: Seed,
    message: Message,
    /// Rarely another than zero.
    first: u8,
    change: Option<(Part, Change)>,
    /// Rarely done: the other crate's decrypting takes long.
    ciphertext_change: (u8, Change),
    expected: ExpectedForm,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Message {
    /// Prefix and key.
    Payload,
    /// The same, cut or made longer.
    PayloadOfLength(u8),
    Any(u8),
}

/// A part of the data block.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Part {
    Hash,
    Padding,
    Separator,
    Prefix,
    Whole,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum ExpectedForm {
    Payload,
    Length(u8),
    PrefixOf(u8),
}

impl Wrapped {
    /// The first byte and the data block, unmasked.
    fn block(&self) -> (u8, Vec<u8>) {
        let payload = [&PREFIX[..], &self.seed.bytes(0, 32)].concat();
        let message = match self.message {
            Message::Payload => payload,
            Message::PayloadOfLength(length) => {
                let mut longer = payload;
                longer.resize(usize::from(length) % 191, 7);
                longer
            }
            Message::Any(length) => self.seed.bytes(1, usize::from(length) % 191),
        };
        let padding = 223 - 32 - 1 - message.len();
        let mut block = [&Sha256::digest(b"")[..], &vec![0; padding], &[1], &message].concat();
        if let Some((part, change)) = self.change {
            let separator = 32 + padding;
            change.apply(match part {
                Part::Hash => &mut block[..32],
                Part::Padding => &mut block[32..separator],
                Part::Separator => &mut block[separator..=separator],
                Part::Prefix => {
                    let end = 223.min(separator + 9);
                    &mut block[separator + 1..end]
                }
                Part::Whole => &mut block,
            });
        }
        // A greater one makes a number above the modulus, soon.
        (self.first.saturating_sub(0xf8), block)
    }
}

fuzz_target!(|data: &[u8]| {
    import(data);
    if data.len() > SHORT {
        return;
    }
    match Case::arbitrary(&mut Unstructured::new(data)) {
        Ok(Case::Wrapped(wrapped)) => unwrap(&wrapped),
        Ok(Case::KeyFile(file)) => import(&file.encode()),
        Err(_) => {}
    }
});

fn import(data: &[u8]) {
    let private = PrivateKey::import(data);
    let encrypted = PrivateKey::import_encrypted(data, b"open");
    let public = PublicKey::import(data);
    for key in [&private, &encrypted].into_iter().flatten() {
        // What is written of it keeps the rules, and is the key again.
        let der = key.to_pkcs8_der().expect("a key is written");
        let numbers = (key.public_key().modulus_bytes().to_vec(), key.public_key().exponent());
        assert_eq!(reference::private_der(der.expose()), Some(numbers), "a key that breaks a rule");
        assert!(KEYS.known.contains(&key.public_key().modulus_bytes().to_vec()), "an unknown key");
    }
    if let (Ok(key), Ok(again)) = (&private, &encrypted) {
        assert_eq!(key.public_key(), again.public_key(), "with a passphrase it is another key");
    }
    if let Ok(key) = &public {
        let der = key.to_spki_der().expect("a key is written");
        assert_eq!(PublicKey::import(&der).ok().as_ref(), Some(key));
    }

    let numbers = |key: &PublicKey| (key.modulus_bytes().to_vec(), key.exponent());
    let begin = b"-----BEGIN ";
    let document = if data.windows(begin.len()).any(|window| window == begin) {
        // Where it is PEM as RFC 7468 has it; ours reads more.
        let text = str::from_utf8(data).ok();
        text.and_then(|text| SecretDocument::from_pem(text).ok())
    } else {
        SecretDocument::try_from(data).ok().map(|der| ("", der))
    };
    let Some((label, der)) = document else { return };
    if matches!(label, "" | "PRIVATE KEY" | "RSA PRIVATE KEY" | "ENCRYPTED PRIVATE KEY") {
        let expected = reference::private_der(der.as_bytes());
        let expected = expected.filter(|(n, _)| KEYS.known.contains(n));
        let found = private.ok().map(|key| numbers(&key.public_key()));
        assert_eq!(found, expected, "a private key");
    }
    if matches!(label, "" | "PUBLIC KEY" | "RSA PUBLIC KEY") {
        let found = public.ok().map(|key| numbers(&key));
        assert_eq!(found, reference::public_der(der.as_bytes()), "a public key");
    }
}

fn unwrap(wrapped: &Wrapped) {
    let (first, block) = wrapped.block();
    let encoded = reference::encode(first, wrapped.seed.array(2), &block);
    let number = BoxedUint::from_be_slice(&encoded, 2048).expect("256 bytes");
    let Ok(ciphertext) = rsa_encrypt(&KEYS.theirs.to_public_key(), &number) else { return };
    let mut ciphertext = ciphertext.to_be_bytes().into_vec();
    let mut message = reference::decode(first, &block);
    let (rarely, change) = wrapped.ciphertext_change;
    if rarely > 0xe8 {
        change.apply(&mut ciphertext);
        message = KEYS.theirs.decrypt(Oaep::<Sha256>::new(), &ciphertext).ok();
    }

    let length = |length: u8| usize::from(length) % 200;
    let (prefix, length) = match wrapped.expected {
        ExpectedForm::Payload => (&PREFIX[..], 40),
        ExpectedForm::Length(expected) => (&[][..], length(expected)),
        ExpectedForm::PrefixOf(expected) => (&PREFIX[..usize::from(expected) % 9], 40),
    };
    let expected = Expected::new(prefix, length);
    let is_form = |message: &Vec<u8>| message.len() == length && message.starts_with(prefix);
    let mut of_form = KEYS.ours.decrypt_oaep_256_expected(&ciphertext, expected);
    // As if neither length nor prefix were compared.
    if planted() {
        of_form = KEYS.ours.decrypt_oaep_256(&ciphertext);
    }
    let formed = message.clone().filter(is_form);
    check("as expected", of_form, formed.as_ref());
    check("any", KEYS.ours.decrypt_oaep_256(&ciphertext), message.as_ref());
    check("with SHA-1", KEYS.ours.decrypt_oaep_sha1(&ciphertext), None);
    let items = [(&ciphertext[..], expected), (&ciphertext[1..], expected)];
    let mut batch = KEYS.unwrapping.unwrap_batch_expected(&items).into_iter();
    for expected in [formed.as_ref(), None] {
        check("in a batch", batch.next().expect("as many"), expected);
    }
}

/// Checks that one way of unwrapping gave the plain decoder's result, or the one error.
fn check(way: &str, found: Result<SecretVec, Error>, expected: Option<&Vec<u8>>) {
    match (found, expected) {
        (Ok(found), Some(expected)) => {
            assert!(found.expose() == expected, "{way}: another message")
        }
        (Ok(_), None) => panic!("{way}: it must not be accepted"),
        (Err(Error::Authentication), None) => {}
        (Err(error), _) => panic!("{way}: {error:?}"),
    }
}
