//! Dispatch of AES key wrap to the implementation for this processor.

#[cfg(any(x86_64_kernels, aarch64_kernels))]
use alloc::boxed::Box;

use super::{Backend, Tier};
#[cfg(aarch64_kernels)]
use crate::arch::aarch64::key_wrap as instructions;
use crate::arch::key_wrap::Semiblock;
use crate::arch::software::key_wrap as software;
#[cfg(x86_64_kernels)]
use crate::arch::x86_64::key_wrap as instructions;
use crate::secret::wipe_stack;

/// An AES-256 key that wraps or unwraps, as `DIRECTION` says; wiped on drop.
pub(crate) struct KeyWrap<const DIRECTION: bool>(Kind<DIRECTION>);

enum Kind<const DIRECTION: bool> {
    #[cfg(any(x86_64_kernels, aarch64_kernels))]
    Instructions(Box<instructions::Key<DIRECTION>>),
    Software(software::Key<DIRECTION>),
}

impl<const DIRECTION: bool> Drop for KeyWrap<DIRECTION> {
    fn drop(&mut self) {
        wipe_stack();
    }
}

impl<const DIRECTION: bool> KeyWrap<DIRECTION> {
    /// Expands `key` for the processor's instructions, where `backend` uses them.
    pub(crate) fn new(backend: Backend, key: &[u8; 32]) -> Self {
        #[cfg(any(x86_64_kernels, aarch64_kernels))]
        if backend.tier() != Tier::Software
            && let Some(token) = instructions::Token::detect()
        {
            let mut expanded = Box::new(instructions::Key::empty(token));
            expanded.set(key);
            wipe_stack();
            return Self(Kind::Instructions(expanded));
        }
        debug_assert!(backend.tier() == Tier::Software, "its instructions are there");
        let expanded = software::Key::new(key);
        wipe_stack();
        Self(Kind::Software(expanded))
    }

    /// Wraps or unwraps in place; takes the first value of RFC 3394's register A and returns the last.
    pub(crate) fn crypt(&self, register: Semiblock, semiblocks: &mut [Semiblock]) -> Semiblock {
        match &self.0 {
            #[cfg(any(x86_64_kernels, aarch64_kernels))]
            Kind::Instructions(key) => key.crypt(register, semiblocks),
            Kind::Software(key) => key.crypt(register, semiblocks),
        }
    }
}
