//! Streams and ranges: every border, every awkward transport, every fault, in step with the engine's
//! synchronous side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "asynchronous/adapters.rs"]
mod adapters;
#[path = "asynchronous/cancelling.rs"]
mod cancelling;
#[path = "support/documents.rs"]
mod documents;
#[path = "asynchronous/executors.rs"]
mod executors;
#[path = "asynchronous/faults.rs"]
mod faults;
#[path = "asynchronous/lengths.rs"]
mod lengths;
#[path = "asynchronous/ranges.rs"]
mod ranges;
#[path = "support/transports.rs"]
mod transports;
