//! Tests that need to see every step on the disk.

mod crashes;
pub(super) mod probe;
