//! Authentic headers in which a recipient unwraps, and to another data key than the document's: only
//! somebody with the data keys could have made them.

use super::*;
use crate::secret::SecretVec;

const FALSE: &str = "vault/a/1";
const TRUE: &str = "vault/b/1";

/// A document of two layers. In each `FALSE` comes first and holds a data key of another document, and
/// `TRUE` the right one.
fn misleading() -> Vec<u8> {
    let seal = || {
        let keys = [wrapping(FALSE, &KEK), wrapping(TRUE, &OTHER_KEK)];
        let layers = Layers::Two { service: &keys, customer: &keys };
        Sealer::new(PlaintextLen::Known(300), layers, &seal_options(Slots::One))
            .unwrap()
            .seal_slice(&text(300))
            .unwrap()
    };
    let (sealed, other) = (seal(), seal());
    let [header, other] = [&sealed, &other].map(|sealed| Header::parse(sealed).unwrap());
    let data_key = |layer: u8| {
        let recipient = header.recipients().iter().find(|one| one.layer() == layer).unwrap();
        let payload = unwrapping(FALSE, &KEK).unwrap(recipient.wrapped()).unwrap();
        DataKey::from_payload(layer, &payload).unwrap()
    };
    let data_keys = [data_key(1), data_key(2)];
    let derived = header.derive(&data_keys).unwrap();
    let of = |header: &Header, name| {
        let of_name = |one: &&Recipient| one.key_id().as_str() == name;
        header.recipients().iter().filter(of_name).cloned().collect::<Vec<_>>()
    };
    let recipients = [of(&other, FALSE), of(&header, TRUE)].concat();
    let core = header.core();
    let mut document = Header::encode(core, &derived.keys, Slots::One, recipients).unwrap();
    document.extend(&sealed[header.len()..]);
    document
}

fn keys() -> [UnwrappingKey; 2] {
    [unwrapping(FALSE, &KEK), unwrapping(TRUE, &OTHER_KEK)]
}

fn rewrap_options() -> RewrapOptions {
    RewrapOptions { context: context(&[("tenant", "7")]), ..RewrapOptions::default() }
}

fn is_unproved(refused: &Result<bool, Error>) -> bool {
    matches!(refused, Err(Error::Argument { what: "recipients", .. }))
}

/// Every pair is tried, and each recipient is unwrapped once for all of them.
#[test]
fn a_recipient_of_another_data_key_does_not_hide_the_one_that_opens() {
    let sealed = misleading();
    let header = Header::parse(&sealed).unwrap();
    assert_eq!(open(&sealed, &keys(), &open_options()).unwrap(), text(300));
    let mut asked = Vec::new();
    let opener = header.unlock_by(&open_options(), |recipient| {
        asked.push(recipient.clone());
        unlock::unwrap_with(&keys(), recipient)
    });
    assert_eq!(opener.unwrap().open_slice(&sealed).unwrap(), text(300));
    assert_eq!(asked.len(), 4);
    asked.dedup();
    assert_eq!(asked.len(), 4, "one was asked about twice");

    let options = rewrap_options();
    let alone = header.clone().rewrap_with(&keys(), &options).unwrap();
    let mut many = rewrap_many(vec![(header.clone(), &options), (header, &options)], &keys());
    for rewrap in [Ok(alone)].into_iter().chain(many.drain(..)) {
        let rewrap = rewrap.unwrap();
        for recipient in rewrap.recipients() {
            assert_eq!(rewrap.is_proved(recipient), recipient.key_id().as_str() == TRUE);
        }
    }
}

/// The name that is asked for stands there already, and holds another data key.
#[test]
fn a_recipient_of_another_data_key_is_nobody_who_is_left() {
    let sealed = misleading();
    let header = Header::parse(&sealed).unwrap();
    let mut rewrap = header.clone().rewrap_with(&keys(), &rewrap_options()).unwrap();
    for layer in 1..=2 {
        let of_layer = |name: &str| {
            let found = |one: &&Recipient| one.layer() == layer && one.key_id().as_str() == name;
            rewrap.recipients().iter().find(found).unwrap().clone()
        };
        let (misleading, right) = (of_layer(FALSE), of_layer(TRUE));
        assert!(is_unproved(&rewrap.remove(&right)));
        let unwrapped: SecretVec = unwrapping(FALSE, &KEK).unwrap(misleading.wrapped()).unwrap();
        let refused = rewrap.prove(&misleading, &unwrapped);
        assert!(matches!(refused, Err(Error::Key { .. })), "{refused:?}");

        let new = rewrap.wrap(layer, &wrapping(FALSE, &KEK)).unwrap();
        let unwrapped = unwrapping(FALSE, &KEK).unwrap(new.wrapped()).unwrap();
        rewrap.prove(&new, &unwrapped).unwrap();
        assert!(rewrap.remove(&right).unwrap());
    }
    let mut document = rewrap.to_header().unwrap();
    document.extend(&sealed[header.len()..]);
    assert_eq!(open(&document, &keys()[..1], &open_options()).unwrap(), text(300));
}

/// A recipient of an algorithm that this version does not know is carried along, and cannot be proved.
#[test]
fn an_unknown_algorithm_is_nobody_who_is_left() {
    let mut sealed = sealed(PlaintextLen::Known(300), 300, Slots::One);
    let header = Header::parse(&sealed).unwrap();
    let payload = unwrapping("vault/k/1", &KEK).unwrap(header.recipients()[0].wrapped()).unwrap();
    let data_keys = [DataKey::from_payload(1, &payload).unwrap()];
    let derived = header.derive(&data_keys).unwrap();
    let mut list = Vec::new();
    header::recipient::encode_list(1, &mut header.recipients().to_vec(), &mut list).unwrap();
    let second = list.len() / 2;
    list[second + 1] = 200; // the algorithm of vault/k/2
    let recipients = header::recipient::parse_list(1, &list).unwrap();
    let new = Header::encode(header.core(), &derived.keys, Slots::One, recipients).unwrap();
    sealed[..new.len()].copy_from_slice(&new);
    assert_eq!(
        open(&sealed, &[unwrapping("vault/k/1", &KEK)], &open_options()).unwrap(),
        text(300)
    );

    let header = Header::parse(&sealed).unwrap();
    let keys = [unwrapping("vault/k/1", &KEK), unwrapping("vault/k/2", &OTHER_KEK)];
    let mut rewrap = header.rewrap_with(&keys, &rewrap_options()).unwrap();
    let [known, unknown] = [0, 1].map(|at: usize| rewrap.recipients()[at].clone());
    assert_eq!(unknown.algorithm(), None);
    assert!(is_unproved(&rewrap.remove(&known)));
    let refused = rewrap.prove(&unknown, &payload);
    assert!(matches!(refused, Err(Error::Argument { what: "recipient", .. })), "{refused:?}");
    assert!(is_unproved(&rewrap.remove(&known)));
    // Neither does its name stand for the key of the same id: that one comes beside it.
    rewrap.add(1, &wrapping("vault/k/2", &OTHER_KEK)).unwrap();
    assert_eq!(rewrap.recipients().len(), 3);
    assert!(rewrap.remove(&unknown).unwrap());
}
