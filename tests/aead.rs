//! `gcm::Aes256Gcm` behind the `aead` traits and `strongroom::aes_gcm` stand in for the crate `aes-gcm`. Its own
//! tests run by `scripts/drop-in`.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

use aes_gcm::aead::{Aead, AeadInOut, KeyInit, Nonce, Payload};

/// Code that was written for `aes_gcm`, over any cipher of its shape.
fn seal_and_open<C: Aead + AeadInOut + KeyInit>(key: &[u8], nonce: &[u8], text: &[u8]) -> Vec<u8> {
    let cipher = C::new_from_slice(key).unwrap();
    let nonce = <&Nonce<C>>::try_from(nonce).unwrap();
    let sealed = cipher.encrypt(nonce, Payload { msg: text, aad: b"associated" }).unwrap();
    let payload = Payload { msg: &sealed[..], aad: b"associated" };
    assert_eq!(cipher.decrypt(nonce, payload).unwrap(), text);

    let mut buffer = text.to_vec();
    cipher.encrypt_in_place(nonce, b"associated", &mut buffer).unwrap();
    assert_eq!(buffer, sealed);
    cipher.decrypt_in_place(nonce, b"associated", &mut buffer).unwrap();
    assert_eq!(buffer, text);

    assert!(cipher.decrypt(nonce, Payload { msg: &sealed, aad: b"other" }).is_err());
    assert!(cipher.decrypt(nonce, Payload { msg: &sealed[..15], aad: b"associated" }).is_err());
    sealed
}

#[test]
fn both_stand_in_for_aes_gcm() {
    for length in [0, 1, 16, 100, 1000] {
        let text = vec![0x5a; length];
        let theirs = seal_and_open::<aes_gcm::Aes256Gcm>(&[1; 32], &[2; 12], &text);
        let traits = seal_and_open::<strongroom::gcm::Aes256Gcm>(&[1; 32], &[2; 12], &text);
        let module = seal_and_open::<strongroom::aes_gcm::Aes256Gcm>(&[1; 32], &[2; 12], &text);
        assert_eq!((&traits, &module), (&theirs, &theirs));
    }
}

/// A test of code as it is written for `aes_gcm`, for either of the crates.
macro_rules! as_it_is_used {
    ($name:ident, $($crate_name:ident)::+) => {
        #[test]
        fn $name() {
            use $($crate_name)::+::aead::consts::U12;
            use $($crate_name)::+::aead::{Aead, AeadInOut, Generate, KeyInit};
            use $($crate_name)::+::{A_MAX, Aes256Gcm, Error, Key, Nonce, P_MAX, Tag};

            #[derive(Clone, Debug)]
            struct Store(Aes256Gcm);

            let bytes = [7; 32];
            let key: &Key<Aes256Gcm> = (&bytes).into();
            let ciphers = [
                Aes256Gcm::new(key),
                Aes256Gcm::new(&bytes.into()),
                Aes256Gcm::new((&bytes).into()),
                Aes256Gcm::new(&Key::<Aes256Gcm>::from(bytes)),
                Aes256Gcm::new_from_slice(&bytes).unwrap(),
                Store(Aes256Gcm::new(key)).clone().0,
            ];
            let nonce = Nonce::<U12>::generate();
            let sealed = ciphers[0].encrypt(&nonce, b"text".as_ref()).unwrap();
            for cipher in &ciphers {
                assert_eq!(cipher.decrypt(&nonce, &sealed[..]).unwrap(), b"text");
            }
            let mut buffer = sealed.clone();
            let tag: Tag = [0; 16].into();
            let refused: Result<(), Error> =
                ciphers[0].decrypt_inout_detached(&nonce, b"", buffer[..].as_mut().into(), &tag);
            assert_eq!((refused, &buffer), (Err(Error), &sealed));
            assert!(A_MAX > P_MAX);
            assert_ne!(Key::<Aes256Gcm>::generate(), Key::<Aes256Gcm>::generate());
        }
    };
}

as_it_is_used!(theirs_as_it_is_used, aes_gcm);
as_it_is_used!(ours_as_it_is_used, strongroom::aes_gcm);

/// The inherent constructor takes what both take.
#[test]
fn new_takes_an_array_and_a_key() {
    use strongroom::gcm::Aes256Gcm;

    let mut sealed = [*b"text", *b"text"];
    let key = aes_gcm::Key::<Aes256Gcm>::from([7; 32]);
    let tag = Aes256Gcm::new(&[7; 32]).seal_in_place(&[0; 12], b"", &mut sealed[0]).unwrap();
    assert_eq!(Aes256Gcm::new(&key).seal_in_place(&[0; 12], b"", &mut sealed[1]).unwrap(), tag);
    assert_eq!(sealed[0], sealed[1]);
}
