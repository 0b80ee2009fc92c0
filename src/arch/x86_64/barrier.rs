//! An optimisation barrier on vector registers.

/// Keeps the compiler from moving the computation of these vectors beyond this place: each, a `&mut` in a
/// register of the class, keeps its value, and the compiler does not know that.
macro_rules! barrier {
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

pub(super) use barrier;
