//! Resources: whose keys their documents are sealed under, and how that changes.
//!
//! ```text
//!  create ──> service-managed ──enable_cmk──> cmk-active <──rotate_cmk──> rotating
//!                  ^                            │  ^  │
//!                  └────────disable_cmk─────────┘  │  │ the vault withdraws the key, revoke_now,
//!                                          refresh │  │ identity_disabled, moved_to_tenant
//!                                                  │  v
//!                        denied, or shred-pending where the customer chose so
//!                                                     │ shred_due, when it is due
//!                                                     v
//!                                                  shredded
//! ```
//!
//! Every arrow is a function of [`Resources`], and asks vaults first, then decides (a pure function from
//! state and event to state), then records that it begins, writes, and records the outcome. A crash leaves the state
//! before or the one after; a withdrawal of access that was begun is carried out by the next process. What only
//! withdraws access does not wait for the audit trail.
//!
//! The audit trail knows each state that this host wrote or read: an older one is an error, which
//! [`ResourcesConfig::restore`] leaves at the host's request. What a damaged part of the trail leaves in doubt gives no
//! access before [`Resources::accept_states`]. Keys are destroyed by no time that is far from what the
//! trail recorded last and what has passed since ([`Resources::accept_time`]).
//!
//! Unreachable is not a state but a [`Reachability`] in memory, and heals by itself. A definite refusal
//! ([`VaultError::is_definite_about`](crate::VaultError::is_definite_about) the customer's key in use) is
//! written, and left by [`Resources::refresh`] only. The service's own key is its operator's: a refusal of
//! it wipes cached keys as well, and heals when the vault unwraps again.

mod cmk;
mod config;
mod copies;
mod coverage;
mod documents;
mod expired;
mod host;
mod host_time;
mod leased;
mod lifecycle;
mod loader;
mod locations;
mod opened;
mod pending;
mod record;
mod refresh;
mod repository;
mod resources;
mod restore;
mod revoke;
mod rotation;
mod status;
mod transition;
mod withdrawals;

pub use self::cmk::EnableCmk;
pub use self::config::ResourcesConfig;
pub use self::copies::{Checked, CheckedState};
pub use self::documents::{OpenRequest, SealRequest, SealingKeys};
pub use self::expired::Expired;
pub use self::host::{HostEvent, HostEvents, NoHostEvents, Pins, VaultDirectory};
pub use self::locations::{NamedVault, VaultLocation, VaultLocations};
pub use self::opened::{Leased, LeasedOpener, LeasedReader};
pub use self::record::{Cmk, DocumentKind, NewResource, OnKeyLoss, Protection, Scope};
pub use self::resources::Resources;
pub use self::restore::Restored;
pub use self::rotation::ServiceKeyRotation;
pub use self::status::{Reachability, Status};
pub use crate::audit::Caller;
pub use crate::error::{Cause, DocumentError, Ineligible, NextStep};
pub use crate::id::{InvalidResourceId, ResourceId};
pub use crate::vault_client::VaultLimits;
