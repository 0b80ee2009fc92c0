//! Requests to Valgrind: a sequence of instructions that do nothing, which it knows. Outside Valgrind all of them answer 0.
//!
//! The sequence and the numbers are those of `valgrind.h` and `memcheck.h` for amd64.

use std::arch::asm;
use std::mem::size_of_val;

const RUNNING_ON_VALGRIND: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;
/// The first request of memcheck's, whose letters are M and C.
const MEMCHECK: usize = 0x4d43_0000;
const MAKE_MEM_UNDEFINED: usize = MEMCHECK + 1;
const MAKE_MEM_DEFINED: usize = MEMCHECK + 2;

fn request(number: usize, first: usize, second: usize) -> usize {
    let arguments = [number, first, second, 0, 0, 0];
    let mut answer = 0;
    // SAFETY: the rotations are by 128 bits in all, so the instructions change nothing but flags; Valgrind reads the
    // six numbers that `rax` points to, changes what it knows of memory and not its contents, and writes `rdx`.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdi") 0_usize => _,
            in("rax") arguments.as_ptr(),
            inout("rdx") answer,
        );
    }
    answer
}

/// If this process runs under Valgrind.
pub(crate) fn is_there() -> bool {
    request(RUNNING_ON_VALGRIND, 0, 0) > 0
}

/// Complaints so far, each time that one was made.
pub(crate) fn complaints() -> usize {
    request(COUNT_ERRORS, 0, 0)
}

/// Branches and addresses must not depend on these numbers, nor on what is computed from them.
pub(crate) fn mark_secret<T>(numbers: &[T]) {
    mark(MAKE_MEM_UNDEFINED, numbers);
}

/// These numbers are public.
pub(crate) fn mark_public<T>(numbers: &[T]) {
    mark(MAKE_MEM_DEFINED, numbers);
}

fn mark<T>(number: usize, numbers: &[T]) {
    request(number, numbers.as_ptr().expose_provenance(), size_of_val(numbers));
}
