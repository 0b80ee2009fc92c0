//! The real binary, as users meet it.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

#[path = "support/home.rs"]
mod home;

#[path = "cli/completions.rs"]
mod completions;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/rewrap.rs"]
mod rewrap;
#[path = "cli/round_trips.rs"]
mod round_trips;
#[path = "cli/vaults.rs"]
mod vaults;
