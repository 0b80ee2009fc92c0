//! Layer 0: one kernel a processor tier, and all of the crate's `unsafe` code.
//!
//! Every tier is a `Key` (the expanded form its kernel wants), a [`Kernel`] with the same operation, `crypt`, which
//! seals or opens. It neither checks lengths nor compares tags: that is layer 2's work. `ghash` is the
//! hash by itself, for ciphertext whose plaintext is not wanted.
//!
//! - `pre_counter_block` is J0 of NIST SP 800-38D as a big-endian number, which can stay in
//!   registers: the first block of text is encrypted under `inc32(J0)`, and the 32-bit counter wraps
//!   as the standard says.
//! - The buffer is an [`InOutBuf`]: one slice in place, or two that do not overlap. Its type
//!   upholds that, so that kernels need no pointer arithmetic of their own.
//! - [`Hints`] say what the caller knows beforehand; a tier that has no use for one leaves it.
//! - The result is the full 16-byte tag of what was sealed, or of the ciphertext that was opened.

#![allow(unsafe_code, reason = "the one place for it: see SAFETY at each block")]

#[cfg(aarch64_kernels)]
pub(crate) mod aarch64;
#[cfg_attr(not(x86_64_kernels), allow(dead_code, reason = "no tier here has a use for all of it"))]
pub(crate) mod counter_cache;
pub(crate) mod features;
pub(crate) mod key_wrap;
#[cfg(feature = "rsa")]
pub(crate) mod mod_exp;
pub(crate) mod software;
#[cfg(x86_64_kernels)]
pub(crate) mod x86_64;

use alloc::boxed::Box;

pub(crate) use aes::cipher::inout::InOutBuf;

use counter_cache::CounterCache;

/// The proof that this processor has what a kernel needs: `$supported` of [`Features`](features::Features) holds. A
/// field says whether `$has` does as well.
#[cfg(any(x86_64_kernels, aarch64_kernels))]
macro_rules! token {
    ($supported:ident $(, $field:ident: $has:ident)?) => {
        /// Proof that this processor has what the kernel needs, and what else it may use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct Token {
            $($field: bool,)?
            _proof: (),
        }

        impl Token {
            pub(crate) fn detect() -> Option<Self> {
                let features = $crate::arch::features::Features::detect();
                features.$supported().then_some(Self {
                    $($field: features.$has(),)?
                    _proof: (),
                })
            }
        }
    };
}
#[cfg(any(x86_64_kernels, aarch64_kernels))]
pub(crate) use token;

/// A tier's expanded key, wiped on drop. It exists only where a token did.
#[allow(clippy::unnecessary_box_returns, reason = "a key is not moved once it is made")]
pub(crate) trait Kernel: Sized {
    type Token;

    /// Made where it stays; with a cache of first rounds of its own or without: see
    /// [`Backend::expand`](crate::backend).
    fn new(token: Self::Token, key: &[u8; 32], first_rounds: bool) -> Box<Self>;

    /// Encrypts or decrypts `buffer`; returns the tag.
    fn crypt<const DIRECTION: bool>(
        &self,
        hints: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault>;

    /// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
    fn ghash(&self, hash: u128, bytes: &[u8]) -> u128;

    /// A cache for pre-counter blocks like this one, where the tier has a use for it.
    fn counter_cache(&self, _pre_counter_block: u128) -> Option<Box<CounterCache<2>>> {
        None
    }

    /// The key's own cache of first rounds, where the tier has one.
    #[cfg(any(test, fuzzing))]
    fn first_round_mut(&mut self) -> Option<&mut CounterCache<1>> {
        None
    }
}

/// A kernel found that memory it relies on has changed: nothing it computed may be used.
#[derive(Debug)]
pub(crate) struct Fault;

/// Length of an AES block in bytes (FIPS 197).
pub(crate) const BLOCK_LEN: usize = 16;

/// Hints of the caller to a kernel. They change how fast a kernel is, never what it computes.
#[derive(Clone, Copy, Default)]
#[cfg_attr(
    not(x86_64_kernels),
    allow(dead_code, reason = "no tier here has a use for all of them")
)]
pub(crate) struct Hints<'c> {
    /// A cache for many texts whose nonces are alike.
    pub(crate) cache: Option<&'c CounterCache<2>>,
    /// The output is part of more than the processor's caches hold: non-temporal stores may take it past
    /// them, where it goes to another place.
    pub(crate) non_temporal: bool,
}

/// Const-generic argument of the kernels: plaintext in, ciphertext out, hash the output.
pub(crate) const SEAL: bool = true;
/// Const-generic argument of the kernels: ciphertext in, plaintext out, hash the input.
pub(crate) const OPEN: bool = false;

/// The last block that GHASH takes, as a big-endian number: bit lengths of associated data and text,
/// 64 bits each.
///
/// Layer 2 has checked that both lengths fit (SP 800-38D, section 5.2.1.1).
pub(crate) fn length_block(associated_data_len: usize, text_len: usize) -> u128 {
    let bits = |bytes: usize| u128::from((bytes as u64).wrapping_mul(8));
    (bits(associated_data_len) << 64) | bits(text_len)
}
