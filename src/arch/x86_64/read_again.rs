//! A reference that the compiler takes for another one.

use core::arch::asm;
use core::ptr;

/// The same reference. What the compiler holds in registers of what it leads to is read again through
/// it: that keeps those registers free, and finds what has changed in memory.
///
/// `core::hint::black_box` does so as well, but sends the reference itself through memory, and the group
/// behind it waits for its addresses: 3 to 5 % of a long text.
#[inline]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written there")]
pub(super) fn read_again<T>(reference: &T) -> &T {
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
