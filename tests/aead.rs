//! `Aes256Gcm` behind the `aead` traits stands in for `aes_gcm::Aes256Gcm`.

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
fn it_stands_in_for_aes_gcm() {
    for length in [0, 1, 16, 100, 1000] {
        let text = vec![0x5a; length];
        let ours = seal_and_open::<strongroom::gcm::Aes256Gcm>(&[1; 32], &[2; 12], &text);
        let theirs = seal_and_open::<aes_gcm::Aes256Gcm>(&[1; 32], &[2; 12], &text);
        assert_eq!(ours, theirs);
    }
}
