//! AES key wrap on the `aes` crate: see `arch/key_wrap.rs`.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes256Dec, Aes256Enc};
use alloc::boxed::Box;
use zeroize::Zeroize;

use crate::arch::key_wrap::{Semiblock, UNWRAP, WRAP, each_step};

/// The round keys for one direction; they wipe themselves.
pub(crate) struct Key<const DIRECTION: bool>(Cipher);

enum Cipher {
    Encrypts(Box<Aes256Enc>),
    Decrypts(Box<Aes256Dec>),
}

impl<const DIRECTION: bool> Key<DIRECTION> {
    /// Not inlined: what it leaves on the stack is to lie below the caller.
    #[inline(never)]
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(if DIRECTION == WRAP {
            Cipher::Encrypts(Box::new(Aes256Enc::new(key.into())))
        } else {
            Cipher::Decrypts(Box::new(Aes256Dec::new(key.into())))
        })
    }

    /// Wraps or unwraps in place; takes the first A and returns the last.
    pub(crate) fn crypt(&self, register: Semiblock, semiblocks: &mut [Semiblock]) -> Semiblock {
        let mut block = aes::Block::default();
        let mut step = |a: u64, semiblock: &mut Semiblock, t: u64| {
            let (t, (front, back)) = (t.to_be(), block.split_at_mut(8));
            let xored = if DIRECTION == UNWRAP { a ^ t } else { a };
            front.copy_from_slice(&xored.to_ne_bytes());
            back.copy_from_slice(semiblock);
            match &self.0 {
                Cipher::Encrypts(cipher) => cipher.encrypt_block(&mut block),
                Cipher::Decrypts(cipher) => cipher.decrypt_block(&mut block),
            }
            let [a0, a1, a2, a3, a4, a5, a6, a7, rest @ ..] = block.0;
            *semiblock = rest;
            let a = u64::from_ne_bytes([a0, a1, a2, a3, a4, a5, a6, a7]);
            if DIRECTION == WRAP { a ^ t } else { a }
        };
        let register = u64::from_ne_bytes(register);
        let register = each_step::<DIRECTION, _>(register, semiblocks, &mut step);
        block.as_mut_slice().zeroize();
        register.to_ne_bytes()
    }
}
