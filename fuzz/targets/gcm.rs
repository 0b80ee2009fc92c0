//! `gcm::Aes256Gcm` on every backend against the `aes-gcm` crate: ciphertext, tag, plaintext; and one
//! changed byte of text, tag, nonce or associated data, which must be refused: in place the ciphertext is
//! left, elsewhere zeros.

#![no_main]

use aes_gcm::aead::{AeadInOut, KeyInit};
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use strongroom::Error;
use strongroom::gcm::{Aes256Gcm, TAG_LEN};
use strongroom_fuzz::buffer::{Buffers, Layout};
use strongroom_fuzz::change::Change;
use strongroom_fuzz::length::{AssociatedDataLen, TextLen};
use strongroom_fuzz::seed::Seed;
use strongroom_fuzz::{assert_same, backends, planted};

#[derive(Arbitrary, Debug)]
struct Case {
    seed: Seed,
    text_len: TextLen,
    associated_data_len: AssociatedDataLen,
    layout: Layout,
    changed: Part,
    change: Change,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Part {
    Text,
    Tag,
    Nonce,
    AssociatedData,
}

/// All that is authenticated, and the tag.
#[derive(Clone)]
struct Message {
    nonce: [u8; 12],
    associated_data: Vec<u8>,
    text: Vec<u8>,
    tag: [u8; TAG_LEN],
}

fuzz_target!(|case: Case| {
    let (key, nonce) = (case.seed.array(0), case.seed.array(1));
    let associated_data = case.seed.bytes(2, case.associated_data_len.0);
    let plaintext = case.seed.bytes(3, case.text_len.0);
    let mut text = plaintext.clone();
    let tag = aes_gcm::Aes256Gcm::new(&key.into())
        .encrypt_inout_detached(&nonce.into(), &associated_data, text[..].as_mut().into())
        .expect("the text is not too long");
    let sealed = Message { nonce, associated_data, text, tag: tag.into() };

    let mut changed = sealed.clone();
    let is_changed = case.change.apply(match case.changed {
        Part::Text => &mut changed.text,
        Part::Tag => &mut changed.tag,
        Part::Nonce => &mut changed.nonce,
        Part::AssociatedData => &mut changed.associated_data,
    });

    for backend in backends() {
        let cipher = Aes256Gcm::with_backend(&key, *backend);
        let (tag, text) = seal(&cipher, case.layout, &sealed, &plaintext);
        assert_eq!(tag.expect("the text is not too long"), sealed.tag, "tag, {backend:?}");
        assert_same(&text, &sealed.text, &format_args!("ciphertext, {backend:?}"));

        let (opened, text) = open(&cipher, case.layout, &sealed);
        assert!(opened.is_ok(), "{opened:?}, {backend:?}");
        assert_same(&text, &plaintext, &format_args!("plaintext, {backend:?}"));

        if is_changed {
            let (mut opened, text) = open(&cipher, case.layout, &changed);
            // As if half of the tag were not compared.
            if planted() && changed.tag[..8] == sealed.tag[..8] && changed.tag != sealed.tag {
                opened = Ok(());
            }
            assert!(matches!(opened, Err(Error::Authentication)), "{opened:?}, {backend:?}");
            let left = if case.layout.is_in_place() { &changed.text } else { &vec![0; text.len()] };
            assert_same(&text, left, &format_args!("what a refusal leaves, {backend:?}"));
        }
    }
});

fn seal(
    cipher: &Aes256Gcm,
    layout: Layout,
    message: &Message,
    plaintext: &[u8],
) -> (Result<[u8; TAG_LEN], Error>, Vec<u8>) {
    let Message { nonce, associated_data, .. } = message;
    layout.run(plaintext, |buffers| match buffers {
        Buffers::InPlace(text) => cipher.seal_in_place(nonce, associated_data, text),
        Buffers::Apart(input, output) => cipher.seal_into(nonce, associated_data, input, output),
    })
}

fn open(cipher: &Aes256Gcm, layout: Layout, message: &Message) -> (Result<(), Error>, Vec<u8>) {
    let Message { nonce, associated_data, text, tag } = message;
    layout.run(text, |buffers| match buffers {
        Buffers::InPlace(text) => cipher.open_in_place(nonce, associated_data, text, tag),
        Buffers::Apart(input, output) => {
            cipher.open_into(nonce, associated_data, input, output, tag)
        }
    })
}
