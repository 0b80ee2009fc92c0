//! One test for each promise, named by its row, over a local vault and over one in memory; and every fault
//! at every request of every transition.

#![allow(unreachable_pub, reason = "modules of one test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

#[path = "promises/access.rs"]
mod access;
#[path = "promises/changes.rs"]
mod changes;
#[path = "promises/eligible.rs"]
mod eligible;
#[path = "promises/expiry.rs"]
mod expiry;
#[path = "promises/rig.rs"]
mod rig;
#[path = "promises/sweep.rs"]
mod sweep;
#[path = "promises/tenants.rs"]
mod tenants;
