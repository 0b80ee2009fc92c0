//! Resources from their making to their end, through every function, with vaults that do as they are told.

#![allow(unreachable_pub, reason = "modules of one test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

#[path = "resource/cached.rs"]
mod cached;
#[path = "resource/clocks.rs"]
mod clocks;
#[path = "resource/concurrent.rs"]
mod concurrent;
#[path = "resource/copying.rs"]
mod copying;
#[path = "resource/destroying.rs"]
mod destroying;
#[path = "resource/documents.rs"]
mod documents;
#[path = "resource/doubts.rs"]
mod doubts;
#[path = "resource/enabling.rs"]
mod enabling;
#[path = "resource/expiring.rs"]
mod expiring;
#[path = "resource/recorded.rs"]
mod recorded;
#[path = "resource/rolled_back.rs"]
mod rolled_back;
#[path = "resource/rotating.rs"]
mod rotating;
#[path = "resource/taking_away.rs"]
mod taking_away;
#[path = "resource/withdrawing.rs"]
mod withdrawing;

use std::time::Duration;

use strongroom_keys::Error;
use world::World;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// One function of a resource.
type Function = for<'w> fn(&'w World) -> Result<(), Error>;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
