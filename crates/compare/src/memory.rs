//! Memory's own limits: contenders that copy and XOR.

use std::hint::black_box;

use crate::buffer::Buffer;
use crate::clock::ThreadClock;
use crate::messages::Messages;
use crate::rounds::Contender;
use crate::yardstick::xor_sweep;

/// From this length on memory matters, and these contenders take part.
pub(crate) const LARGE: usize = 1 << 20;

/// The name of the copy.
pub(crate) const COPY: &str = "memory copy";
/// The name of the sweep.
pub(crate) const XOR: &str = "XOR in place";

/// True where a contender of that name is one of these.
pub(crate) fn is(name: &str) -> bool {
    matches!(name, COPY | XOR)
}

/// A copy of the text into another buffer, and an XOR over it where it is.
pub(crate) fn contenders<'c>(length: usize) -> [Contender<'c, Messages>; 2] {
    let mut copy = Buffer::new(length);
    let bytes = length as u64;
    [
        Contender::new(COPY, bytes, move |messages: &mut Messages, calls| {
            let start = ThreadClock::start();
            for _ in 0..calls {
                black_box(copy.bytes_mut()).copy_from_slice(black_box(messages.text()));
            }
            Ok(start.elapsed())
        }),
        // An even number of sweeps, or the messages would not open any more.
        Contender::new(XOR, 2 * bytes, |messages: &mut Messages, calls| {
            let start = ThreadClock::start();
            for _ in 0..2 * calls {
                xor_sweep(black_box(messages.text()));
            }
            Ok(start.elapsed())
        }),
    ]
}
