//! AES-256-GCM on RustCrypto's block cipher, counter mode and GHASH, from a pre-counter block on.

use aes::Aes256Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

/// Ciphertext and tag (NIST SP 800-38D, algorithm 4, steps 3 to 6).
pub fn seal(
    key: &[u8; 32],
    pre_counter_block: u128,
    associated_data: &[u8],
    text: &[u8],
) -> (Vec<u8>, [u8; 16]) {
    let cipher = Aes256Enc::new(key.into());
    let mut hash_key = aes::Block::default();
    cipher.encrypt_block(&mut hash_key);
    let mut mask = aes::Block::from(pre_counter_block.to_be_bytes());
    cipher.encrypt_block(&mut mask);

    let mut ciphertext = text.to_vec();
    let mut counter_mode = ctr::Ctr32BE::<Aes256Enc>::new(
        key.into(),
        &increment(pre_counter_block).to_be_bytes().into(),
    );
    counter_mode.apply_keystream(&mut ciphertext);

    let mut hash = GHash::new(&hash_key);
    hash.update_padded(associated_data);
    hash.update_padded(&ciphertext);
    let lengths = (associated_data.len() as u128) << 67 | (text.len() as u128) << 3;
    hash.update(&[lengths.to_be_bytes().into()]);
    let hash: [u8; 16] = hash.finalize().into();
    let tag = u128::from_be_bytes(hash) ^ u128::from_be_bytes(mask.into());
    (ciphertext, tag.to_be_bytes())
}

/// inc32: the last four bytes are a counter that wraps (the same standard, section 6.2).
fn increment(block: u128) -> u128 {
    let counter = block as u32;
    block - u128::from(counter) + u128::from(counter.wrapping_add(1))
}

/// The block of this nonce and this counter, as a big-endian number; J0 has the counter 1.
pub fn pre_counter_block(nonce: [u8; 12], counter: u32) -> u128 {
    let mut block = [0; 16];
    block[..12].copy_from_slice(&nonce);
    block[12..].copy_from_slice(&counter.to_be_bytes());
    u128::from_be_bytes(block)
}
