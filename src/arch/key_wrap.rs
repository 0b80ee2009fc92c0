//! AES key wrap (RFC 3394), but for its initial value: whoever calls gives it and compares it.
//!
//! ```text
//! wrapping:   6 times, for each semiblock R in order:         A | R = AES(A | R), A ^= t, t from 1 on
//! unwrapping: 6 times, for each semiblock R from the last on: A | R = AES^-1(A ^ t | R), t down to 1
//! ```
//!
//! RFC 3394, sections 2.2.1 and 2.2.2, in their index-based form. Every block waits for the one before, so
//! that a tier with wide vectors gains nothing: there is one implementation a platform.
//!
//! Constant-time: branches and indexes depend on lengths alone; the block ciphers are as their files say.

/// Half a block.
pub(crate) type Semiblock = [u8; 8];

/// Const-generic argument of the keys: they wrap.
pub(crate) const WRAP: bool = true;
/// Const-generic argument of the keys: they unwrap.
pub(crate) const UNWRAP: bool = false;

/// The order of the steps. `step` takes A, an R to be replaced and t, and gives the next A.
#[inline]
pub(crate) fn each_step<const DIRECTION: bool, A>(
    mut register: A,
    semiblocks: &mut [Semiblock],
    mut step: impl FnMut(A, &mut Semiblock, u64) -> A,
) -> A {
    let count = semiblocks.len() as u64;
    for round in 0..6 {
        if DIRECTION == WRAP {
            for (t, semiblock) in (count * round + 1..).zip(&mut *semiblocks) {
                register = step(register, semiblock, t);
            }
        } else {
            for (t, semiblock) in (1..=count * (6 - round)).rev().zip(semiblocks.iter_mut().rev()) {
                register = step(register, semiblock, t);
            }
        }
    }
    register
}

/// The token and the key of a platform's AES instructions. Its `expand` and `crypt` need what `$supported` of
/// [`Features`](crate::arch::features::Features) says.
#[cfg(any(x86_64_kernels, aarch64_kernels))]
macro_rules! key {
    ($supported:ident) => {
        $crate::arch::token!($supported);

        /// The round keys of one direction, wiped on drop; it has them only where a [`Token`] was.
        pub(crate) struct Key<const DIRECTION: bool>(RoundKeys);

        impl<const DIRECTION: bool> Key<DIRECTION> {
            /// A place for a key.
            pub(crate) fn empty(_: Token) -> Self {
                Self(RoundKeys::zeroed())
            }

            /// Expands `key` where this is.
            pub(crate) fn set(&mut self, key: &[u8; 32]) {
                // SAFETY: a `Key` is made from a token only: `Features::$supported` holds.
                unsafe { expand::<DIRECTION>(&mut self.0, key) }
            }

            /// Wraps or unwraps in place; takes the first A and returns the last.
            pub(crate) fn crypt(
                &self,
                register: Semiblock,
                semiblocks: &mut [Semiblock],
            ) -> Semiblock {
                // SAFETY: a `Key` is made from a token only: `Features::$supported` holds.
                unsafe { crypt::<DIRECTION>(&self.0, register, semiblocks) }
            }
        }
    };
}
#[cfg(any(x86_64_kernels, aarch64_kernels))]
pub(crate) use key;
