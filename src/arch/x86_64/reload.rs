//! Hides a reference from the optimiser, so that its memory is loaded again.

use core::arch::asm;
use core::ptr;

/// The same reference, which the compiler takes for another one. Values that it holds in registers are
/// loaded again through it: that keeps the registers free, and finds what has changed in memory.
///
/// `core::hint::black_box` does so as well, but sends the reference itself through memory, and the group
/// behind it waits for its addresses: 3 to 5 % of a long text.
#[inline]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written there")]
pub(super) fn reload<T>(reference: &T) -> &T {
    if cfg!(miri) {
        return reference; // an interpreter has no registers
    }
    let mut pointer = ptr::from_ref(reference);
    // SAFETY: the template is a comment. No instruction is added, and the pointer keeps its value.
    unsafe {
        asm!("/* {} */", inout(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    // SAFETY: it is still what the reference was, which is valid for reads for as long.
    unsafe { &*pointer }
}
