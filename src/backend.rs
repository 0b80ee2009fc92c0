//! Layer 1: the choice of a kernel for this processor, and the dispatch to it.
//!
//! A [`Backend`] is proof that its tier's instructions are there and that its kernel has passed a
//! known-answer test in this process. The choice is a pure function of a feature record.

mod key_wrap;
mod known_answer;
#[cfg(feature = "rsa")]
pub(crate) mod mod_exp;
mod tier;

use alloc::boxed::Box;
use core::fmt;

#[cfg(aarch64_kernels)]
use crate::arch::aarch64::armv8;
use crate::arch::counter_cache::CounterCache;
use crate::arch::features::Features;
#[cfg(x86_64_kernels)]
use crate::arch::x86_64::{aesni, vaes256, vaes512};
use crate::arch::{Fault, Hints, InOutBuf, Kernel, OPEN, SEAL, software};
pub(crate) use key_wrap::KeyWrap;
use tier::Tier;

pub(crate) use crate::arch::key_wrap::{UNWRAP, WRAP};

/// One of the implementations of AES-256-GCM that this processor can run.
///
/// | name | needs |
/// |---|---|
/// | `vaes512` | `x86_64` with AES, VAES, VPCLMULQDQ, FMA, F16C and AVX-512 F/BW/VL/DQ |
/// | `vaes256` | `x86_64` with AES, VAES, VPCLMULQDQ and AVX2 |
/// | `aesni` | `x86_64` with AES-NI, PCLMULQDQ, SSSE3 and SSE4.1 |
/// | `armv8` | `aarch64` with AES and PMULL; EOR3 is used where there is one |
/// | `software` | any processor |
///
/// All give the same bytes; they differ in speed alone.
///
/// # Example
///
/// ```
/// use strongroom::backend::Backend;
///
/// let fastest = Backend::detect();
/// assert_eq!(Backend::available().next(), Some(fastest));
/// assert_eq!(Backend::available().last(), Backend::by_name("software"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Backend(Kind);

/// A tier with the proof that it may run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(x86_64_kernels)]
    Vaes512(vaes512::Token),
    #[cfg(x86_64_kernels)]
    Vaes256(vaes256::Token),
    #[cfg(x86_64_kernels)]
    Aesni(aesni::Token),
    #[cfg(aarch64_kernels)]
    Armv8(armv8::Token),
    Software(software::Token),
}

/// A `match` that does the same for each tier of this target. `$enum` has a variant for each, and what that holds
/// is bound to `$held`. In place of an expression `Other::_(value)` and `Other::_` are the variant of the same tier.
macro_rules! dispatch {
    ($value:expr, $enum:ident($held:ident) => $($result:tt)+) => {
        match $value {
            #[cfg(x86_64_kernels)]
            $enum::Vaes512($held) => dispatch!(@Vaes512 $($result)+),
            #[cfg(x86_64_kernels)]
            $enum::Vaes256($held) => dispatch!(@Vaes256 $($result)+),
            #[cfg(x86_64_kernels)]
            $enum::Aesni($held) => dispatch!(@Aesni $($result)+),
            #[cfg(aarch64_kernels)]
            $enum::Armv8($held) => dispatch!(@Armv8 $($result)+),
            $enum::Software($held) => dispatch!(@Software $($result)+),
        }
    };
    (@$tier:ident $other:ident::_($value:expr)) => { $other::$tier($value) };
    (@$tier:ident $other:ident::_) => { $other::$tier };
    (@$tier:ident $result:expr) => { $result };
}

impl Backend {
    /// The fastest implementation that this processor can run.
    ///
    /// # Panics
    ///
    /// When every implementation, the portable one included, fails its known-answer test: the
    /// processor or the build computes wrongly, and nothing may be sealed with it.
    #[must_use]
    pub fn detect() -> Self {
        let Some(fastest) = Self::available().next() else {
            #[allow(clippy::panic, reason = "no correct AES-256-GCM here: stop, as documented")]
            {
                panic!("every AES-256-GCM implementation failed its known-answer test")
            }
        };
        fastest
    }

    /// The implementations that this processor can run, fastest first; `software` is the last.
    pub fn available() -> impl Iterator<Item = Self> {
        Tier::supported_by(Features::detect()).filter_map(Self::of)
    }

    /// The implementation of that name, if this processor can run it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().find(|backend| backend.name() == name)
    }

    /// `vaes512`, `vaes256`, `aesni`, `armv8` or `software`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.tier().name()
    }

    /// The tier with its proof, if the processor has it and its kernel computes rightly.
    fn of(tier: Tier) -> Option<Self> {
        let kind = match tier {
            #[cfg(x86_64_kernels)]
            Tier::Vaes512 => Kind::Vaes512(vaes512::Token::detect()?),
            #[cfg(x86_64_kernels)]
            Tier::Vaes256 => Kind::Vaes256(vaes256::Token::detect()?),
            #[cfg(x86_64_kernels)]
            Tier::Aesni => Kind::Aesni(aesni::Token::detect()?),
            #[cfg(not(x86_64_kernels))]
            Tier::Vaes512 | Tier::Vaes256 | Tier::Aesni => return None,
            #[cfg(aarch64_kernels)]
            Tier::Armv8 => Kind::Armv8(armv8::Token::detect()?),
            #[cfg(not(aarch64_kernels))]
            Tier::Armv8 => return None,
            Tier::Software => Kind::Software(software::Token),
        };
        let backend = Self(kind);
        known_answer::passes(backend, tier).then_some(backend)
    }

    fn tier(self) -> Tier {
        dispatch!(self.0, Kind(_token) => Tier::_)
    }

    /// Expands `key` into the form that this tier's kernel wants; with a counter cache of its own for texts
    /// whose nonces have nothing in common, where the tier has a use for one and `first_rounds` says that
    /// there will be such texts: it takes 4 KiB, and the time to encrypt as many.
    pub(crate) fn expand(self, key: &[u8; 32], first_rounds: bool) -> ExpandedKey {
        dispatch!(self.0, Kind(token) => ExpandedKey::_(Kernel::new(token, key, first_rounds)))
    }
}

impl Default for Backend {
    /// [`Backend::detect`].
    fn default() -> Self {
        Self::detect()
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.name())
    }
}

/// A key in a kernel's own form; wiped on drop. It is on the heap, where it was made: moving it leaves no
/// copy behind.
pub(crate) enum ExpandedKey {
    #[cfg(x86_64_kernels)]
    Vaes512(Box<vaes512::Key>),
    #[cfg(x86_64_kernels)]
    Vaes256(Box<vaes256::Key>),
    #[cfg(x86_64_kernels)]
    Aesni(Box<aesni::Key>),
    #[cfg(aarch64_kernels)]
    Armv8(Box<armv8::Key>),
    Software(Box<software::Key>),
}

impl ExpandedKey {
    /// A cache for pre-counter blocks like this one, where the tier has a use for it.
    pub(crate) fn counter_cache(&self, pre_counter_block: u128) -> Option<Box<CounterCache<2>>> {
        dispatch!(self, ExpandedKey(key) => key.counter_cache(pre_counter_block))
    }

    /// The key's own cache of first rounds, where the tier has one.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn first_round_mut(&mut self) -> Option<&mut CounterCache<1>> {
        dispatch!(self, ExpandedKey(key) => key.first_round_mut())
    }

    /// Encrypts `buffer`; returns the tag. See [`crate::arch`].
    ///
    /// This and [`ExpandedKey::open`] are compiled here with the kernels, and not anew in each crate that
    /// calls them: there short texts were sealed at two thirds of the speed.
    pub(crate) fn seal(
        &self,
        hints: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        self.crypt::<SEAL>(hints, pre_counter_block, associated_data, buffer)
    }

    /// Decrypts `buffer`; returns the tag that the ciphertext should have. See [`crate::arch`].
    pub(crate) fn open(
        &self,
        hints: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        self.crypt::<OPEN>(hints, pre_counter_block, associated_data, buffer)
    }

    #[inline]
    fn crypt<const DIRECTION: bool>(
        &self,
        hints: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        let (block, data) = (pre_counter_block, associated_data);
        dispatch!(self, ExpandedKey(key) => key.crypt::<DIRECTION>(hints, block, data, buffer))
    }

    /// GHASH of `bytes`, the last block filled up with zeros, onto `hash`; see [`crate::arch`].
    pub(crate) fn ghash(&self, hash: u128, bytes: &[u8]) -> u128 {
        dispatch!(self, ExpandedKey(key) => key.ghash(hash, bytes))
    }

    /// The tier that the key was expanded for.
    pub(crate) fn name(&self) -> &'static str {
        let tier = dispatch!(self, ExpandedKey(_key) => Tier::_);
        tier.name()
    }
}

#[cfg(test)]
mod tests;
