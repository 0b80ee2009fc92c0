//! Output that goes past the caches, a line at a time.
//!
//! ```text
//! output   head | line | line | … | line | last        head: 8 to 64 bytes, so that lines are whole lines
//! vectors  v0   v1   v2   …                            each line: the end of one and the start of the next
//! ```
//!
//! A line that is written whole, and not for the caches, need not be read from memory before: one third
//! less to move for a text that goes from one place to another. A line that is written in two parts, or by
//! both kinds of store, costs more than all is worth: so the lines reach over groups.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_permutex2var_epi64, _mm512_set_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512,
};
use core::slice;

use super::group::{GROUP, GROUP_LEN, Vectors};
use super::groups::Groups;
use crate::arch::x86_64::memory::{
    LINE_LEN, Line, PREFETCH_FROM, end_of_stream, lines, split_apart, store_partial_512, stream_512,
};
use crate::arch::x86_64::message::Message;

/// The output of some groups, of which the first are done.
pub(super) struct Stream<'o> {
    /// Indices of those of the 16 words of two vectors in a row that make a line.
    words: __m512i,
    /// The vector before the next group's.
    before: __m512i,
    /// Output of the first group: its first bytes, and seven lines.
    first: Option<(&'o mut [u8], &'o mut [Line; GROUP - 1])>,
    /// Eight lines for each other group.
    lines: slice::IterMut<'o, [Line; GROUP]>,
    /// The last bytes of the last vector.
    last: &'o mut [u8],
}

impl<'o> Stream<'o> {
    /// The whole groups' input, their output, and the text behind them; or the text as it was, if there
    /// are none, it stays in one place, or it begins within a word of eight bytes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    #[allow(clippy::type_complexity, reason = "two parts of a text, and the rest")]
    pub(super) fn of<'i>(
        mut message: Message<'i, 'o>,
    ) -> Result<(&'i [[u8; GROUP_LEN]], Self, Message<'i, 'o>), Message<'i, 'o>> {
        let whole_len = message.rest.len() / GROUP_LEN * GROUP_LEN;
        let head_len = head_len(message.rest.get_out());
        if whole_len == 0 || !head_len.is_multiple_of(8) {
            return Err(message);
        }
        let (input, output, rest) = match split_apart(message.rest, whole_len) {
            Ok(places) => places,
            Err(rest) => return Err(Message { rest, ..message }),
        };
        let (head, body) = output.split_at_mut(head_len);
        let (body, last) = body.split_at_mut(whole_len - LINE_LEN);
        let (of_first, others) = lines(body).split_at_mut(GROUP - 1);
        let words = i64::try_from(head_len / 8).unwrap_or(0);
        let words =
            _mm512_add_epi64(_mm512_set1_epi64(words), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
        let stream = Self {
            words,
            before: _mm512_setzero_si512(),
            first: of_first.try_into().ok().map(|lines| (head, lines)),
            lines: others.as_chunks_mut().0.iter_mut(),
            last,
        };
        Ok((input.as_chunks().0, stream, Message { rest, ..message }))
    }

    /// The groups with such input, each written as the stream's next.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn groups<'i>(
        &mut self,
        inputs: &'i [[u8; GROUP_LEN]],
    ) -> Groups<
        impl Iterator<Item = &'i [u8; GROUP_LEN]> + use<'i>,
        impl FnMut(&'i [u8; GROUP_LEN], &Vectors),
    > {
        let ask_ahead = inputs.len() * GROUP_LEN >= PREFETCH_FROM;
        Groups { each: inputs.iter(), put: |_, output: &Vectors| self.put(output), ask_ahead }
    }

    /// Writes the next group, but for its last bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn put(&mut self, group: &Vectors) {
        if let Some((head, lines)) = self.first.take() {
            store_partial_512(head, group[0]);
            for (number, line) in lines.iter_mut().enumerate() {
                stream_512(line, self.line(group[number], group[number + 1]));
            }
        } else if let Some(lines) = self.lines.next() {
            let mut before = self.before;
            for (line, vector) in lines.iter_mut().zip(group) {
                stream_512(line, self.line(before, *vector));
                before = *vector;
            }
        }
        self.before = group[GROUP - 1];
    }

    /// Writes the last bytes, and has all that went past the caches done before what comes next.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn finish(self) {
        store_partial_512(self.last, self.line(self.before, _mm512_setzero_si512()));
        end_of_stream();
        #[cfg(test)]
        tests::FINISHED.set(tests::FINISHED.get() + 1);
    }

    /// The line that begins in `first` and ends in `second`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn line(&self, first: __m512i, second: __m512i) -> __m512i {
        _mm512_permutex2var_epi64(first, self.words, second)
    }
}

/// Bytes up to the line behind the one that these begin in, 1 to 64.
fn head_len(output: &[u8]) -> usize {
    LINE_LEN - output.as_ptr().addr() % LINE_LEN
}

#[cfg(test)]
mod tests {
    //! Tests of the choice of texts that are streamed. Their bytes are tested with every tier.

    use std::cell::Cell;

    use crate::arch::counter_cache::CounterCache;
    use crate::arch::x86_64::vaes512::{Key, Token};
    use crate::arch::{Hints, InOutBuf, Kernel, SEAL};

    std::thread_local! {
        /// Streams that this thread has finished.
        pub(super) static FINISHED: Cell<usize> = const { Cell::new(0) };
    }

    /// True where sealing streamed.
    fn is_streamed(key: &Key, non_temporal: bool, text: InOutBuf<'_, '_, u8>) -> bool {
        let before = FINISHED.get();
        let cache = CounterCache::filled(1, |cache| key.fill(cache));
        let hints = Hints { cache: Some(&cache), non_temporal };
        key.crypt::<SEAL>(hints, 1, &[], text).unwrap();
        FINISHED.get() > before
    }

    /// Checks that an output is streamed where that is asked for, it begins with a word and is not the input,
    /// and there is a group.
    #[test]
    fn outputs_that_begin_with_a_word_are_streamed() {
        let Some(token) = Token::detect() else {
            println!("vaes512 is not here");
            return;
        };
        let key = Key::new(token, &[3; 32], false);
        let mut memory = vec![0; 4096];
        let start = memory.as_ptr().align_offset(64);
        let input = [7; 1600];
        for at in 0..=64 {
            for (len, has_a_group) in [(0, false), (511, false), (512, true), (1600, true)] {
                for non_temporal in [false, true] {
                    let output = &mut memory[start + at..][..len];
                    let text = InOutBuf::new(&input[..len], output).unwrap();
                    let expected = non_temporal && has_a_group && at % 8 == 0;
                    assert_eq!(is_streamed(&key, non_temporal, text), expected, "{at} {len}");
                }
            }
        }
        assert!(!is_streamed(&key, true, (&mut memory[start..][..1024]).into()));
    }
}
