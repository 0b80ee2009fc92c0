//! From a header to the data keys: how often a vault is asked, and what a policy lets through.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::collections::HashMap;

use strongroom::Error;
use strongroom::document::{
    self, ChunkLen, Header, Layers, OpenOptions, OpenPolicy, Recipient, RewrapOptions, SealOptions,
    Slots,
};
use strongroom::secret::{Secret, SecretVec};
use strongroom::wrap::{Algorithm, KeyId, UnwrappingKey, WrappingKey};

const TEXT: &[u8] = b"what the document says";
/// Bytes of a header that change no recipient.
const COMMITMENT: usize = 100;

fn id(name: &str) -> KeyId {
    KeyId::new(name).unwrap()
}

fn material(name: &str) -> Secret<32> {
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().zip(name.bytes().cycle()) {
        *place = byte;
    }
    Secret::copy_from(&key)
}

fn wrapping(name: &str) -> WrappingKey {
    WrappingKey::aes(id(name), material(name))
}

fn unwrapping(name: &str) -> UnwrappingKey {
    UnwrappingKey::aes(id(name), material(name))
}

fn names(layer: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("vault/{layer}/{number}")).collect()
}

/// A document with so many recipients in each of its layers.
fn sealed(inner: usize, outer: usize) -> Vec<u8> {
    let keys = |names: Vec<String>| names.iter().map(|name| wrapping(name)).collect::<Vec<_>>();
    let (service, customer) = (keys(names("service", inner)), keys(names("customer", outer)));
    let layers = if outer == 0 {
        Layers::One(&service)
    } else {
        Layers::Two { service: &service, customer: &customer }
    };
    let chunk_len = ChunkLen::new(4096).unwrap();
    let options = SealOptions { slots: Slots::One, chunk_len, ..SealOptions::default() };
    document::seal(TEXT, layers, &options).unwrap()
}

/// A vault that has every key, and counts the questions about each recipient.
#[derive(Default)]
struct Vault {
    asked: HashMap<(u8, String), usize>,
    /// Layers whose keys it does not have.
    lacks: Vec<u8>,
    /// Key ids that it refuses.
    refuses: Vec<String>,
}

impl Vault {
    fn unwrap(&mut self, recipient: &Recipient) -> Option<Result<SecretVec, Error>> {
        let name = recipient.key_id().as_str();
        *self.asked.entry((recipient.layer(), name.to_owned())).or_default() += 1;
        if self.lacks.contains(&recipient.layer()) {
            return None;
        }
        if self.refuses.iter().any(|refused| refused == name) {
            let (key, reason) = (name.to_owned(), "it is disabled");
            return Some(Err(Error::Key { key, reason }));
        }
        Some(unwrapping(name).unwrap(recipient.wrapped()))
    }

    /// Numbers of unwrap requests for each layer, none of them made twice.
    fn questions(&self) -> [usize; 2] {
        assert!(self.asked.values().all(|times| *times == 1), "{:?}", self.asked);
        [1, 2].map(|layer| self.asked.keys().filter(|(of, _)| *of == layer).count())
    }
}

/// Unlocks and rewraps `sealed` with vaults like `vault`; all must ask the same and give the same kind of
/// answer.
fn questions(sealed: &[u8], vault: impl Fn() -> Vault) -> ([usize; 2], Result<(), Error>) {
    let header = Header::parse(sealed).unwrap();
    let (mut unlocking, mut rewrapping, mut exchanging) = (vault(), vault(), vault());
    let unlocked = header
        .unlock_by(&OpenOptions::default(), |recipient| unlocking.unwrap(recipient))
        .map(|opener| assert_eq!(opener.open_slice(sealed).unwrap(), TEXT));
    let options = RewrapOptions::default();
    let rewrapped = header.clone().rewrap_by(&options, |recipient| rewrapping.unwrap(recipient));
    let options = RewrapOptions::any_context();
    let exchanged = header.rewrap_by(&options, |recipient| exchanging.unwrap(recipient));
    let kind = |error: &Error| std::mem::discriminant(error);
    assert_eq!(unlocked.as_ref().err().map(kind), rewrapped.as_ref().err().map(kind));
    assert_eq!(unlocked.as_ref().err().map(kind), exchanged.as_ref().err().map(kind));
    assert_eq!(unlocking.questions(), rewrapping.questions());
    assert_eq!(unlocking.questions(), exchanging.questions());
    (unlocking.questions(), unlocked)
}

#[test]
fn a_good_document_takes_one_question_a_layer() {
    for (inner, outer) in [(1, 0), (8, 0), (1, 1), (8, 8)] {
        let (asked, unlocked) = questions(&sealed(inner, outer), Vault::default);
        unlocked.unwrap();
        assert_eq!(asked, [1, usize::from(outer > 0)]);
    }
}

/// The worst that a header can do: 16 recipients that all unwrap, and no pair of them is the document's.
#[test]
fn a_tampered_header_takes_one_question_a_recipient() {
    for (inner, outer) in [(1, 0), (8, 0), (1, 8), (8, 1), (8, 8)] {
        let mut tampered = sealed(inner, outer);
        tampered[COMMITMENT] ^= 1;
        let (asked, unlocked) = questions(&tampered, Vault::default);
        assert!(matches!(unlocked, Err(Error::Authentication)), "{unlocked:?}");
        assert_eq!(asked, [inner, outer]);
    }
}

#[test]
fn each_wrapped_key_that_was_changed_costs_one_question() {
    let original = sealed(8, 8);
    let header = Header::parse(&original).unwrap();
    let place = |recipient: &Recipient| {
        original.windows(48).position(|bytes| bytes == recipient.wrapped()).unwrap()
    };
    for changed in 1..=8 {
        let mut tampered = original.clone();
        for layer in [1, 2] {
            let of_layer = header.recipients().iter().filter(|one| one.layer() == layer);
            for recipient in of_layer.take(changed) {
                tampered[place(recipient)] ^= 1;
            }
        }
        // The slot's checksum, so that the header is read at all; its HMAC is wrong.
        renew_checksum(&mut tampered[136..header.len()]);
        let (asked, unlocked) = questions(&tampered, Vault::default);
        assert!(matches!(unlocked, Err(Error::Authentication)), "{unlocked:?}");
        let first_that_opens = (changed + 1).min(8);
        // Without a key for the inner layer nobody is asked about the outer one.
        let outer = if changed == 8 { 0 } else { first_that_opens };
        assert_eq!(asked, [first_that_opens, outer]);
    }
}

fn renew_checksum(slot: &mut [u8]) {
    use sha2::Digest as _;
    let (content, checksum) = slot.split_at_mut(slot.len() - 16);
    checksum.copy_from_slice(&sha2::Sha256::digest(content)[..16]);
}

#[test]
fn nobody_is_asked_about_what_cannot_help() {
    let document = sealed(8, 8);
    let lacking = |layer| move || Vault { lacks: vec![layer], ..Vault::default() };
    let (asked, unlocked) = questions(&document, lacking(1));
    assert_eq!(asked, [8, 0]);
    let Err(Error::NoKey { wrapped_with }) = unlocked else { panic!("{unlocked:?}") };
    assert_eq!(wrapped_with, names("service", 8).join(", "));
    let (asked, unlocked) = questions(&document, lacking(2));
    assert_eq!(asked, [1, 8], "one inner key is enough to know that the outer ones are lacking");
    let Err(Error::NoKey { wrapped_with }) = unlocked else { panic!("{unlocked:?}") };
    assert_eq!(wrapped_with, names("customer", 8).join(", "));

    // Where none unwraps, the first refusal is the answer; where one does, it opens.
    let refusing =
        |refuses: Vec<String>| move || Vault { refuses: refuses.clone(), ..Vault::default() };
    let (asked, unlocked) = questions(&document, refusing(names("customer", 8)));
    assert_eq!(asked, [1, 8]);
    assert!(
        matches!(&unlocked, Err(Error::Key { key, .. }) if key == "vault/customer/0"),
        "{unlocked:?}"
    );
    let (asked, unlocked) = questions(&document, refusing(names("service", 7)));
    unlocked.unwrap();
    assert_eq!(asked, [8, 1]);
}

fn open(sealed: &[u8], names: &[&str], policy: OpenPolicy) -> Result<Vec<u8>, Error> {
    let keys: Vec<_> = names.iter().map(|name| unwrapping(name)).collect();
    document::open(sealed, &keys, &OpenOptions { policy, ..OpenOptions::default() })
}

fn key_ids(inner: &[&str], outer: &[&str]) -> OpenPolicy {
    let ids = |names: &[&str]| names.iter().map(|name| id(name)).collect();
    OpenPolicy { key_ids: Some([ids(inner), ids(outer)]), ..OpenPolicy::default() }
}

/// Two layers under the service's key are one key's protection, whatever the number of layers.
#[test]
fn a_policy_names_the_keys_of_each_layer() {
    const SERVICE: &str = "resource/7/service/1";
    const CUSTOMER: &str = "resource/7/customer/1";
    let seal = |service: &[&str], customer: &[&str]| {
        let keys = |names: &[&str]| names.iter().map(|name| wrapping(name)).collect::<Vec<_>>();
        let (service, customer) = (keys(service), keys(customer));
        let layers = Layers::Two { service: &service, customer: &customer };
        document::seal(TEXT, layers, &SealOptions::default()).unwrap()
    };
    let held = [SERVICE, CUSTOMER];
    let both = || OpenPolicy { least_layers: 2, ..key_ids(&[SERVICE], &[CUSTOMER]) };
    assert_eq!(open(&seal(&[SERVICE], &[CUSTOMER]), &held, both()).unwrap(), TEXT);
    let bad = [
        seal(&[SERVICE], &[SERVICE]),
        seal(&[CUSTOMER], &[CUSTOMER]),
        seal(&[CUSTOMER], &[SERVICE]),
        seal(&[SERVICE, CUSTOMER], &[SERVICE]),
    ];
    for document in &bad {
        let refused = open(document, &held, both());
        assert!(matches!(refused, Err(Error::NoKey { .. })), "{refused:?}");
        // It is the policy that refuses them.
        assert_eq!(open(document, &held, OpenPolicy::default()).unwrap(), TEXT);
    }
    // A customer's key beside the service's changes nothing where it does not open the layer.
    let decoy = WrappingKey::aes(id(CUSTOMER), material("not the customer's"));
    let (service, outer) = ([wrapping(SERVICE)], [decoy, wrapping(SERVICE)]);
    let layers = Layers::Two { service: &service, customer: &outer };
    let document = document::seal(TEXT, layers, &SealOptions::default()).unwrap();
    assert!(matches!(open(&document, &held, both()), Err(Error::Authentication)));
    assert_eq!(open(&document, &held, OpenPolicy::default()).unwrap(), TEXT);

    let one = sealed(1, 0);
    let name = &names("service", 1)[0];
    assert_eq!(open(&one, &[name], key_ids(&[name], &[])).unwrap(), TEXT);
    for policy in [key_ids(&[], &[name]), key_ids(&[SERVICE], &[])] {
        assert!(matches!(open(&one, &[name], policy), Err(Error::NoKey { .. })));
    }
}

#[test]
fn a_policy_names_algorithms_layers_and_the_least_generation() {
    let one = sealed(1, 0);
    let name = &names("service", 1)[0];
    let algorithms = vec![Algorithm::RsaOaep256];
    let refused = open(&one, &[name], OpenPolicy { algorithms, ..OpenPolicy::default() });
    assert!(matches!(refused, Err(Error::NoKey { .. })), "{refused:?}");
    let refused = open(&one, &[name], OpenPolicy { least_layers: 2, ..OpenPolicy::default() });
    assert!(matches!(refused, Err(Error::Format { offset: 10, .. })), "{refused:?}");

    // A header from before a rewrap is as authentic as the one after it.
    let header = Header::parse(&one).unwrap();
    let rewrap = header.rewrap_with(&[unwrapping(name)], &RewrapOptions::default()).unwrap();
    let mut newer = rewrap.to_header().unwrap();
    newer.extend(&one[newer.len()..]);
    let least = || OpenPolicy { least_generation: 2, ..OpenPolicy::default() };
    assert_eq!(open(&newer, &[name], least()).unwrap(), TEXT);
    assert_eq!(open(&one, &[name], OpenPolicy::default()).unwrap(), TEXT);
    let refused = open(&one, &[name], least());
    assert!(matches!(refused, Err(Error::RolledBack { generation: 1, least: 2 })), "{refused:?}");
    // The number alone does not help: it is authenticated.
    let mut forged = one;
    forged[136..144].copy_from_slice(&2_u64.to_be_bytes());
    let length = Header::parse(&newer).unwrap().len();
    renew_checksum(&mut forged[136..length]);
    let refused = open(&forged, &[name], least());
    assert!(matches!(refused, Err(Error::Authentication)), "{refused:?}");
}
