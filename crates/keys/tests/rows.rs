//! One test for each promise, named by its row, over a local vault and over one in memory; and every fault
//! at every request of every transition.

#![allow(unreachable_pub, reason = "modules of one test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

#[path = "rows/access.rs"]
mod access;
#[path = "rows/changes.rs"]
mod changes;
#[path = "rows/eligible.rs"]
mod eligible;
#[path = "rows/expiry.rs"]
mod expiry;
#[path = "rows/rig.rs"]
mod rig;
#[path = "rows/sweep.rs"]
mod sweep;
#[path = "rows/tenants.rs"]
mod tenants;
