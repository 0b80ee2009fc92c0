//! The audit trail: one event for each wrap, unwrap, key look-up and change of state.
//!
//! An [`Auditor`] makes an event of what was done, shows it to `tracing` and hands it to an
//! [`AuditSink`]. [`JsonLines`] is the sink for files; [`verify`] reads such a trail and says whether
//! anything in it was changed, removed, added or moved.
//!
//! # The file
//!
//! One JSON object a line, at most 16 KiB with its newline:
//!
//! ```json
//! {"number":1,"trail":"0f…","format":2,"time":1790000000,"operation":"unwrap","key":"…","resource":"…",
//!  "identity":"service","result":"done","duration_us":812,"caller":"…","correlation_id":"…","mac":"5c…"}
//! ```
//!
//! Numbers begin at 1 and have no gaps. `mac` is the last member, and
//! `mac = HMAC-SHA-256(key, "strongroom/audit/2 line" || 0 || previous mac || line)`, where `line` is the
//! line's bytes before `,"mac"`, and the first line's previous mac is
//! `HMAC-SHA-256(key, "strongroom/audit/2 trail" || 0 || trail)` with the 16 random bytes of `trail`.
//! Characters that command a terminal or reorder its text are written as `\uXXXX`.
//!
//! A full file is renamed to `FILE.1`, `FILE.2` and so on; the first line of the next one then has
//! `"previous":"NUMBER:MAC"` in place of `trail`, and the numbers and macs go on.
//!
//! # What is noticed, and what is not
//!
//! Without the key nobody makes, changes, removes, repeats or moves a line in the middle without
//! being noticed. Cutting lines from the end leaves a shorter trail that is whole in itself: it is
//! noticed by who knows the [`Head`], see [`HeadStore`]. A crash may leave the beginning of a line at
//! the end, without its newline. Only such a rest counts as torn; the next writer puts a line with its
//! length and SHA-256 in its place.
//!
//! A line that does not hold is damage: nothing is written after it by who has found it, at the end or when the
//! trail was [recalled](AuditSink::recall). [`JsonLines::repair`] closes the damaged
//! file and begins a new one, whose first line says in `"repaired"` which files were closed, with length and
//! SHA-256, and which line held last; its number is above all that there were. [`verify`] lists it for ever. A line
//! behind damage whose MAC holds was written by its service all the same: the newest state that one names stays
//! known. What else a damaged part held of states is lost, so each is in [`Doubt`] after a repair.

mod auditor;
mod chain;
mod copy;
mod disk;
mod error;
mod event;
mod head_store;
mod json_lines;
mod known;
mod line;
mod memory;
mod recall;
mod repair;
mod salvage;
mod tail;
mod text;
mod verify;

#[cfg(test)]
mod tests;

pub use self::auditor::{Auditor, Caller};
pub use self::chain::{AuditKey, Head};
pub use self::error::{AuditError, Tampering};
pub use self::event::{AuditEvent, AuditResult, AuditSink};
pub use self::head_store::{FileHeadStore, HeadStore};
pub use self::json_lines::{JsonLines, Sync};
pub use self::known::{BegunChange, Doubt, Known, StateMark, TimeMark};
pub use self::line::{AuditLine, Torn};
pub use self::memory::MemorySink;
pub use self::repair::{DamagedFile, Repaired};
pub use self::text::{is_unsafe, printable};
pub use self::verify::{Verified, verify, verify_each};
