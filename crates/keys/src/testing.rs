//! For tests: a clock that stands still, vaults and stores in memory, and faults on demand.
//!
//! Behind the feature `testing`. Keys are in memory, in the clear: nothing of this belongs into a service.

mod audit;
mod clock;
mod faulty;
mod store;
mod unwrapping;
mod vault;

pub use self::audit::MemoryAudit;
pub use self::clock::ManualClock;
pub use self::faulty::{Call, Fault, FaultyVault};
pub use self::store::MemoryStore;
pub use self::unwrapping::unwrapping_keys;
pub use self::vault::MemoryVault;
pub use crate::vault::Operation;
