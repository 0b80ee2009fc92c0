//! Tuning by microarchitecture: Zen 5, or everything else. A const-generic argument of the groups.
//!
//! | | `ZEN_5` | `OTHER` |
//! |---|---|---|
//! | `vpclmulqdq` | one in two cycles, beside everything else | one a cycle, on the port that shuffles |
//! | so a block is multiplied | three times | four times |
//! | two AES rounds less gain | little: products are the limit | all of their time |
//! | so a text has a table of its own | from 128 KiB on | from 32 KiB on |
//! | the core asks for memory ahead | beyond the page | up to its end |
//! | so the kernel asks | for streams alone | for long texts |
//!
//! `OTHER` was fitted on Intel's cores (Emerald Rapids and later), and is what Zen 4 takes as well.

/// AMD's Zen 5 and later.
pub(super) const ZEN_5: bool = true;
pub(super) const OTHER: bool = false;
