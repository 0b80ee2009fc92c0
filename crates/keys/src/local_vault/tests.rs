//! Tests that need to see every step on the disk.

pub(super) mod probe;
