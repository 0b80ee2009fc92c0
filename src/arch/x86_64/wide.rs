//! The parts that both tiers of wide vectors, `vaes256` and `vaes512`, have alike.
//!
//! Macros, not generic functions: a function's target features are literals. Each tier's `vector.rs` gives
//! the operations on its vectors the names that are used here.

pub(super) mod cached;
pub(super) mod crypt;
pub(super) mod tail;
