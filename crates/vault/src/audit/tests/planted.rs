//! The mistake of a mac that leaves a field out, for the thread that plants it.

use std::cell::Cell;

thread_local! {
    static LEAVES_OUT: Cell<Option<&'static [u8]>> = const { Cell::new(None) };
}

/// Runs `work` while a line's mac covers only what comes before `field`.
pub(super) fn with_macs_up_to<T>(field: &'static str, work: impl FnOnce() -> T) -> T {
    LEAVES_OUT.set(Some(field.as_bytes()));
    let result = work();
    LEAVES_OUT.set(None);
    result
}

/// The part of a line that its MAC covers.
pub(in super::super) fn covered(body: &[u8]) -> &[u8] {
    let end = LEAVES_OUT
        .get()
        .and_then(|field| body.windows(field.len()).position(|window| window == field));
    &body[..end.unwrap_or(body.len())]
}
