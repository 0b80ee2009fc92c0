//! An order of instructions that the compiler keeps.

/// Keeps the compiler from moving what computes these vectors beyond this place: each, a `&mut` in a
/// register of the class, is what it was, and the compiler does not know.
macro_rules! pin {
    ($class:ident: $($vector:ident),+) => {
        if !cfg!(miri) { // an interpreter has no registers to keep in order
            // SAFETY: the template is comments. No instruction is added, and every register keeps its value.
            unsafe {
                core::arch::asm!(
                    $(concat!("/* {} ", stringify!($vector), " */"),)+
                    $(inout($class) *$vector,)+
                    options(nomem, nostack, preserves_flags)
                );
            }
        }
    };
}

pub(super) use pin;
