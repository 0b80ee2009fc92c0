//! Which texts are streamed. That their bytes are right is tested with every tier.

use std::cell::Cell;

use crate::arch::counter_cache::CounterCache;
use crate::arch::x86_64::vaes512::{Key, Token};
use crate::arch::{Hints, InOutBuf, SEAL};

std::thread_local! {
    /// Streams that this thread has finished.
    pub(super) static FINISHED: Cell<usize> = const { Cell::new(0) };
}

/// Whether sealing streamed.
fn is_streamed(key: &Key, non_temporal: bool, text: InOutBuf<'_, '_, u8>) -> bool {
    let before = FINISHED.get();
    let cache = CounterCache::filled(1, |cache| key.fill(cache));
    let hints = Hints { cache: Some(&cache), non_temporal };
    key.crypt::<SEAL>(hints, 1, &[], text).unwrap();
    FINISHED.get() > before
}

/// Where it is asked for, the output begins with a word and is not the input, and there is a group.
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
