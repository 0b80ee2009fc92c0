//! Streams: every border, every awkward transport, every fault, in step with the engine's synchronous
//! side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/documents.rs"]
mod documents;
#[path = "streams/executors.rs"]
mod executors;
#[path = "streams/faults.rs"]
mod faults;
#[path = "streams/lengths.rs"]
mod lengths;
#[path = "support/transports.rs"]
mod transports;
