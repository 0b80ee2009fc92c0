//! The subcommands and options of `strongroom service`, `resource`, `service-key` and `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use strongroom_keys::audit::Head;
use strongroom_keys::resource::{Pins, ResourceId};

use super::{
    DeleteDocumentsArgs, JsonOption, MoveDocumentsArgs, SweepArgs, VaultOption, parse_duration,
    parse_time,
};

#[derive(Clone, Debug, Args)]
pub(crate) struct HomeOption {
    /// The service's home: its own vault, its resources' states and its audit trail
    /// [default: strongroom/service in the user's data directory]
    #[arg(
        id = "home",
        long = "home",
        value_name = "DIR",
        env = "STRONGROOM_HOME",
        hide_env_values = true,
        value_hint = ValueHint::DirPath
    )]
    pub(crate) directory: Option<PathBuf>,
}

/// Documents of a resource.
#[derive(Debug, Args)]
pub(crate) struct ResourceOption {
    /// The resource whose keys to use [default: of a vault's key; a document's own header names its
    /// resource, and only resources of the home are looked up]
    #[arg(
        id = "resource",
        long = "resource",
        value_name = "NAME",
        value_parser = resource_id
    )]
    pub(crate) name: Option<ResourceId>,

    #[command(flatten)]
    pub(crate) pins: PinOptions,

    #[command(flatten)]
    pub(crate) home: HomeOption,
}

/// Knowledge of a resource from elsewhere, against states that were rolled back.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PinOptions {
    /// Refuse the resource where it has no customer's key: its states may be older ones
    #[arg(long)]
    pub(crate) require_cmk: bool,

    /// Refuse the resource where a customer's key was enabled less often, as `resource status` shows it
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) least_epoch: u64,
}

impl PinOptions {
    /// The pins for the library.
    pub(crate) fn pins(self) -> Pins {
        Pins { cmk_required: self.require_cmk, least_epoch: self.least_epoch }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Make a service's home; the first `resource create` does so, too
    Init {
        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Make a consistent copy of the home, with all its keys, while other commands write
    ///
    /// It is a new directory, which has its name once it is proved: every state and key was read from it, and the
    /// audit trail verified. Keep it as you keep the home: whoever has it has the service's keys. Customers' vaults
    /// are not in it. It is recorded in the audit trail.
    Backup(HomeBackupArgs),
    /// Make the home from a backup; without --from, restore states that are older than those in the audit trail
    ///
    /// Without --from: the home's states were rolled back. Each is written again above the number that the trail
    /// knows, with what was withdrawn and destroyed since, and without the keys of hours that are over. Keys that came
    /// since are lost. It is recorded in the audit trail.
    ///
    /// After a repair of the audit trail a resource stays closed where the damaged part may have held a newer state of
    /// it, until --accept-states.
    ///
    /// With --from: where there is no home, it is made from the backup. One that is there is replaced where it is the
    /// same service's and damaged or rolled back, and moved aside, never removed; a whole one is refused. Where its
    /// audit trail holds, that goes on, with the newest states that hold.
    Restore {
        /// A backup that `service backup` made
        #[arg(long, value_name = "BACKUP", value_hint = ValueHint::DirPath)]
        from: Option<PathBuf>,

        /// Confirm that no newer state is lost of resources that are in doubt since the audit trail was repaired: what
        /// is there counts as the newest, and what was withdrawn since is not withdrawn any more
        #[arg(long)]
        accept_states: bool,

        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Record the new directory of a customer's vault that was moved
    ///
    /// Nothing else changes the place of a vault that the home knows: a copy of a vault does not know of
    /// a key that is disabled in the original. It is recorded in the audit trail.
    MoveVault {
        #[command(flatten)]
        vault: VaultOption,

        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
}

#[derive(Debug, Args)]
pub(crate) struct HomeBackupArgs {
    /// The new directory
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) home: HomeOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceKeyCommand {
    /// Add a version to the service's key and bring every resource under it
    ///
    /// No document is touched. Where it is interrupted, run it again.
    Rotate {
        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Read the whole audit trail and find what was changed, removed or added
    Verify {
        /// A line that must be in it, as `audit head` printed it [default: the head kept in the home]
        #[arg(long, value_name = "HEAD")]
        anchor: Option<Head>,

        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Close a part of the trail that does not hold, and go on in a new file that names it
    ///
    /// Nothing is removed or changed: the damaged file keeps its bytes under another name, and `audit verify`
    /// lists it for ever.
    Repair {
        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Print the trail's last line as a number and its authentication code
    ///
    /// Keep it where writers of the home cannot change it: `audit verify --anchor` then finds a truncated trail.
    Head {
        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// Make a resource, under the service's keys
    Create(CreateResourceArgs),
    /// Show the status of a resource, without a request to a vault
    Status(ResourceArgs),
    /// List the resources
    List {
        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Put a resource under a customer's key as well
    ///
    /// The vault must grant the identity get, wrap and unwrap, have purge protection, and be of the
    /// resource's tenant and region. Documents that were sealed before stay under the service's keys.
    EnableCmk(EnableCmkArgs),
    /// Seal documents again that were sealed before the customer's key was enabled: under it, in their place
    ///
    /// Documents whose headers name the key already are left alone, so where it is
    /// interrupted, run it again. Each is opened and sealed again in memory, with the same context, expiry and
    /// length of chunks; the new file is read back and compared before it takes the name. Where a header is kept
    /// in a file of its own, name both, or the directory that has both. Copies elsewhere stay as they are. Where
    /// the key covers models only, name models only: a document does not say which it is.
    MoveDocuments(MoveDocumentsArgs),
    /// Disable the customer's key of a resource: the service's keys alone protect it
    DisableCmk(ResourceArgs),
    /// Rotate the customer's key: to another version of it, or to another key
    ///
    /// Keys are wrapped anew, no document is touched. Where it is interrupted, run it again; the old key
    /// is needed until it is done.
    RotateCmk(RotateCmkArgs),
    /// Replace the resource's own keys; documents that are sealed from then on get the new ones
    RotateKey(ResourceArgs),
    /// End all access at once, whatever the vault says; `refresh` undoes it
    Revoke(ResourceArgs),
    /// Record that the identity for requests to the vault is disabled: no access until it is enabled and `refresh` succeeds
    IdentityDisabled(ResourceArgs),
    /// Record that a resource belongs to another tenant
    ///
    /// Under a customer's key that ends access, until it is moved back and refreshed; else it is recorded.
    MovedToTenant(MovedToTenantArgs),
    /// Request the key from its vault again, and restore access where it is back
    Refresh(ResourceArgs),
    /// Mark a resource as deleted: no access from now on, and from 24 hours later on `shred` destroys its keys
    Delete(DeleteResourceArgs),
    /// Restore a deleted resource, before its keys are destroyed
    Restore(ResourceArgs),
    /// Destroy the keys of all resources that are due: deleted ones, and those whose customer chose it and
    /// withdrew the key. It cannot be undone
    Shred {
        #[command(flatten)]
        time: TimeOption,

        #[command(flatten)]
        home: HomeOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Destroy the keys of hours that are over, and with them all copies of what expired then
    ///
    /// With a resource and files or directories, expired documents of it that are there are removed as well: where
    /// their headers are authentic and say so, or name nothing but the key of their hour, which is destroyed. What
    /// says that it has expired and cannot be proved to is named and left.
    Sweep(SweepArgs),
    /// Delete documents of a resource before they expire; deleting again does no harm
    ///
    /// Files that name the resource are removed, whatever its state is, and others are refused. Copies elsewhere
    /// stay readable until they expire.
    DeleteDocuments(DeleteDocumentsArgs),
    /// Show the events of a resource in the audit trail
    Events(ResourceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ResourceArgs {
    /// The resource's name: 1 to 64 lower-case letters, digits, - and _
    #[arg(value_name = "NAME", value_parser = resource_id)]
    pub(crate) name: ResourceId,

    #[command(flatten)]
    pub(crate) pins: PinOptions,

    #[command(flatten)]
    pub(crate) home: HomeOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteResourceArgs {
    #[command(flatten)]
    pub(crate) resource: ResourceArgs,

    /// Confirm that all states of the resource are lost for good: nothing opens its documents, and backups and lists do
    /// not name it as missing any more
    #[arg(long)]
    pub(crate) states_lost: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MovedToTenantArgs {
    #[command(flatten)]
    pub(crate) resource: ResourceArgs,

    /// The tenant
    #[arg(value_name = "TENANT")]
    pub(crate) tenant: String,
}

/// The clock of what destroys.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TimeOption {
    /// Confirm the clock's time: without it nothing is destroyed where the clock is more than an hour ahead of
    /// what has passed since the last time in the audit trail, or ten minutes behind
    #[arg(long)]
    pub(crate) accept_time: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CreateResourceArgs {
    #[command(flatten)]
    pub(crate) resource: ResourceArgs,

    /// The tenant that owns it
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: String,

    /// The region that it is in
    #[arg(long, value_name = "NAME")]
    pub(crate) region: String,

    /// Its tier includes no customer-managed key
    #[arg(long)]
    pub(crate) no_cmk: bool,

    /// Time at which it was made, where that was earlier: a date or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) created_at: Option<u64>,
}

/// Kind of a document.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KindOption {
    /// A model
    Model,
    /// The result of an analysis
    Result,
}

/// Documents that the customer's key covers.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ScopeOption {
    /// Models only
    Models,
    /// Models, and results of analyses
    ModelsAndResults,
}

/// Treatment of the data when the vault withdraws the key.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnKeyLossOption {
    /// It cannot be read until the key is back
    Block,
    /// After the grace time `shred` destroys it
    Shred,
}

#[derive(Debug, Args)]
pub(crate) struct EnableCmkArgs {
    #[command(flatten)]
    pub(crate) resource: ResourceArgs,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// The customer's key
    #[arg(long, value_name = "NAME")]
    pub(crate) key: String,

    /// Its version: the id, or at least the first 4 digits of it [default: the newest]
    #[arg(long, value_name = "VERSION")]
    pub(crate) key_version: Option<String>,

    /// The identity for requests to the vault
    #[arg(long, value_name = "IDENTITY", default_value = "service")]
    pub(crate) identity: String,

    /// Documents that the key covers
    #[arg(long, value_name = "SCOPE", default_value = "models-and-results")]
    pub(crate) scope: ScopeOption,

    /// Treatment of the data when the vault withdraws the key
    #[arg(long, value_name = "WHAT", default_value = "block")]
    pub(crate) on_key_loss: OnKeyLossOption,

    /// Duration for which the key must be withdrawn before `shred` destroys the data
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub(crate) grace: u64,

    /// Number of documents that exist already, which the key will not cover
    #[arg(long, value_name = "COUNT")]
    pub(crate) documents_before: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct RotateCmkArgs {
    #[command(flatten)]
    pub(crate) resource: ResourceArgs,

    /// The new key's vault [default: the same as now]
    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// The new key [default: the same as now]
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,

    /// Its version: the id, or at least the first 4 digits of it [default: the newest]
    #[arg(long, value_name = "VERSION")]
    pub(crate) key_version: Option<String>,
}

pub(super) fn resource_id(text: &str) -> Result<ResourceId, String> {
    ResourceId::new(text).map_err(|error| error.to_string())
}
