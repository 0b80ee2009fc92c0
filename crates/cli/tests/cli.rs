//! The real binary, as users meet it.

#![cfg_attr(not(unix), allow(unused_imports, dead_code, reason = "of tests that only Unix has"))]
#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

#[path = "support/home.rs"]
mod home;

#[path = "cli/attributes.rs"]
mod attributes;
#[path = "cli/backups.rs"]
mod backups;
#[cfg(unix)] // a shell runs them, and they name a Unix user's paths
#[path = "cli/chapters.rs"]
mod chapters;
#[path = "cli/completions.rs"]
mod completions;
#[cfg(unix)] // links, pipes, permission bits
#[path = "cli/damaged.rs"]
mod damaged;
#[path = "cli/descriptors.rs"]
mod descriptors;
#[path = "cli/detached.rs"]
mod detached;
#[path = "cli/exec.rs"]
mod exec;
#[path = "cli/expiring.rs"]
mod expiring;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/golden.rs"]
mod golden;
#[cfg(unix)] // a shell runs what is printed
#[path = "cli/hints.rs"]
mod hints;
#[path = "cli/homes.rs"]
mod homes;
#[path = "cli/inspect.rs"]
mod inspect;
#[path = "cli/lengths.rs"]
mod lengths;
#[cfg(unix)] // /proc tells the greatest resident size
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/moving.rs"]
mod moving;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/passphrases.rs"]
mod passphrases;
#[path = "cli/places.rs"]
mod places;
#[path = "cli/printing.rs"]
mod printing;
#[cfg(unix)] // a pseudo-terminal
#[path = "cli/prompts.rs"]
mod prompts;
#[path = "cli/ranges.rs"]
mod ranges;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/resources.rs"]
mod resources;
#[path = "cli/restoring.rs"]
mod restoring;
#[path = "cli/rewrap.rs"]
mod rewrap;
#[path = "cli/round_trips.rs"]
mod round_trips;
#[path = "cli/several.rs"]
mod several;
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/threads.rs"]
mod threads;
#[cfg(unix)] // a shell runs what is printed
#[path = "cli/undone.rs"]
mod undone;
#[path = "cli/vault_keys.rs"]
mod vault_keys;
#[path = "cli/vaults.rs"]
mod vaults;
