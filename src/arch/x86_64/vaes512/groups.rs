//! Input and output of the groups of a text.

use aes::cipher::array::Array;
use aes::cipher::consts::U512;
use aes::cipher::inout::InOut;

use super::group::{GROUP_LEN, Vectors, store_group};
use crate::arch::x86_64::memory::{PREFETCH_FROM, prefetch_behind, prefetch_behind_input};
use crate::arch::x86_64::message::Message;

/// The groups of a text, and what is done with the output of each.
pub(super) struct Groups<I, P> {
    pub(super) each: I,
    pub(super) put: P,
    /// True where memory of later groups is prefetched.
    pub(super) ask_ahead: bool,
}

/// One of them, whose input is read once.
pub(super) trait Group {
    /// True where the output goes past the caches.
    const STREAMED: bool;

    fn input(&self) -> &[u8; GROUP_LEN];

    /// Asks for the memory of what comes later.
    fn prefetch_behind(&mut self);
}

/// A group with the place of its output.
type Placed<'i, 'o> = InOut<'i, 'o, Array<u8, U512>>;

impl Group for Placed<'_, '_> {
    const STREAMED: bool = false;

    #[inline]
    fn input(&self) -> &[u8; GROUP_LEN] {
        self.get_in().as_ref()
    }

    #[inline]
    fn prefetch_behind(&mut self) {
        prefetch_behind(self);
    }
}

/// A group whose output goes past the caches.
impl Group for &[u8; GROUP_LEN] {
    const STREAMED: bool = true;

    #[inline]
    fn input(&self) -> &[u8; GROUP_LEN] {
        self
    }

    #[inline]
    fn prefetch_behind(&mut self) {
        prefetch_behind_input(&self[..]);
    }
}

/// The whole groups of a text, written where its type says; and the text behind them.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn whole_groups<'i, 'o>(
    message: Message<'i, 'o>,
) -> (
    Groups<impl Iterator<Item = Placed<'i, 'o>>, impl FnMut(Placed<'i, 'o>, &Vectors)>,
    Message<'i, 'o>,
) {
    let ask_ahead = message.rest.len() >= PREFETCH_FROM;
    let (groups, rest) = message.rest.into_chunks();
    let put = |mut group: Placed<'i, 'o>, output: &Vectors| {
        store_group(group.get_out().as_mut(), output);
    };
    (Groups { each: groups.into_iter(), put, ask_ahead }, Message { rest, ..message })
}
