//! The subcommands and options of `strongroom vault`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use strongroom_keys::audit::Head;
use strongroom_local_vault::DateChange;

use super::{ForceOption, JsonOption, parse_duration, parse_time, path};

#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// Make a new vault, without keys
    Init(InitArgs),
    /// Create a key
    Create(CreateKeyArgs),
    /// List the keys with their versions
    List {
        #[command(flatten)]
        vault: VaultOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Show a key: its versions, dates and operations
    Show(KeyArgs),
    /// Add a new version to a key; from then on documents are sealed under it
    ///
    /// Older versions stay in the vault, and documents that were sealed under them open as before;
    /// `strongroom rewrap` brings them to the new version. The new version is meant to wrap for as long as the one
    /// before it, unless --expires says something else.
    Rotate(RotateKeyArgs),
    /// Create a key from an RSA-2048 key that you bring: PKCS#8 or PKCS#1, in PEM or DER
    Import(ImportArgs),
    /// Change from when and until when a key wraps; it unwraps at any time
    SetDates(SetDatesArgs),
    /// Enable a key that was disabled
    Enable(VersionsArgs),
    /// Disable a key: it neither wraps nor unwraps until it is enabled again
    Disable(VersionsArgs),
    /// Delete a key; it can be recovered until it is purged
    Delete(KeyArgs),
    /// Recover a deleted key
    Recover(KeyArgs),
    /// Destroy a deleted key for good
    ///
    /// Nothing opens what was sealed under it. A vault with purge protection refuses until its retention
    /// time is over. Nothing is purged by itself.
    Purge(PurgeArgs),
    /// Give the vault a passphrase: its first one, or another one in the place of the one it has
    ///
    /// The first one seals every private key into a new file, which is read back and shown to work before the old one is
    /// removed. Where it is interrupted, run it again. Copies of the vault and backups of its keys from before hold the
    /// keys in the clear, or open with the old passphrase, and a file system may keep what removed files held.
    SetPassphrase(SetPassphraseArgs),
    /// Remove the vault's passphrase: every private key is written in the clear
    ///
    /// From then on the permissions of the directory are all that protects the keys. Where it is interrupted, run it
    /// again. Backups of single keys from before are not restored any more: make new ones.
    RemovePassphrase {
        #[command(flatten)]
        vault: VaultOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Show the settings of the vault, or change them
    Settings(SettingsArgs),
    /// Grant an identity permissions on keys
    ///
    /// Permissions on every key and on a single one add up: taking the one away leaves the other.
    Grant(GrantArgs),
    /// Revoke all permissions of an identity, on every key and on single ones
    Revoke(IdentityArgs),
    /// List the identities with their permissions on keys
    Grants {
        #[command(flatten)]
        vault: VaultOption,

        #[command(flatten)]
        json: JsonOption,
    },
    /// Show the vault's audit trail, once the whole of it is known to hold
    ///
    /// It has an event for each change of keys, grants and settings, and for each wrap and unwrap that an identity asked
    /// for. Keep the number and code that stand at the end where nobody can change them: --anchor then finds a cut end.
    Audit(VaultAuditArgs),
    /// Write a key with all its versions to a file
    ///
    /// The file holds the private keys. Where the vault has a passphrase they are sealed under it.
    Backup(BackupArgs),
    /// Put a key back that `backup` wrote; into the vault that it came from
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// Purge protection: no deleted key is purged before its retention time is over. It cannot be undone; a
    /// customer-managed key must be in such a vault
    #[arg(long)]
    pub(crate) purge_protection: bool,

    /// Number of days for which a deleted key is kept at least under purge protection, 7 to 90; then it stays until it
    /// is purged
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub(crate) retention_days: u32,

    /// Ask for a passphrase at the terminal and seal the vault's private keys under it (or name a file
    /// with --passphrase-file)
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) passphrase: bool,

    /// The tenant that the vault belongs to; a customer-managed key must be of its resource's tenant
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,

    /// The region that the vault is in; a customer-managed key must be in its resource's region
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct SetPassphraseArgs {
    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// A file whose first line is the new passphrase [default: asked for at the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) new_passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The key's name: 1 to 127 letters, digits and hyphens
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

/// Type of a key.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyType {
    /// RSA-2048: its public half wraps without the vault
    Rsa,
    /// AES-256: wraps inside the vault only
    Aes,
}

#[derive(Debug, Args)]
pub(crate) struct CreateKeyArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// Type of the key
    #[arg(long = "type", value_name = "TYPE", default_value = "rsa")]
    pub(crate) kind: KeyType,

    #[command(flatten)]
    pub(crate) dates: DateOptions,
}

/// Dates of a new key.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DateOptions {
    /// Earlier the key does not wrap: a date, 2027-01-31 or 2027-01-31T08:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) not_before: Option<u64>,

    /// From then on the key does not wrap; it unwraps as before
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) expires: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// The key's name
    #[arg(value_name = "NAME", required_unless_present = "expired_until")]
    pub(crate) name: Option<String>,

    /// Every deleted key whose retention time had ended by then: a date that has passed, 2027-01-31. You say it, so that
    /// a clock that runs ahead destroys nothing
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "name")]
    pub(crate) expired_until: Option<u64>,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKeyArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// Earlier the new version does not wrap, and nothing seals under the key [default: it wraps at once]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) not_before: Option<u64>,

    /// From then on the new version does not wrap; `none` for never [default: after as long as was set for the
    /// version before it]
    #[arg(long, value_name = "TIME", value_parser = parse_date)]
    pub(crate) expires: Option<DateChange>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// The file with the private key
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) file: PathBuf,

    /// A file whose first line is the passphrase that the key in FILE is encrypted with [default: asked for at the
    /// terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) key_passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) dates: DateOptions,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("dates").required(true).multiple(true))]
pub(crate) struct SetDatesArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// The version: its id, or at least the first 4 digits of it [default: the newest]
    #[arg(long, value_name = "VERSION")]
    pub(crate) key_version: Option<String>,

    /// Earlier it does not wrap; `none` for no such time [default: left as it is]
    #[arg(long, value_name = "TIME", value_parser = parse_date, group = "dates")]
    pub(crate) not_before: Option<DateChange>,

    /// From then on it does not wrap; `none` for never [default: left as it is]
    #[arg(long, value_name = "TIME", value_parser = parse_date, group = "dates")]
    pub(crate) expires: Option<DateChange>,
}

/// The change of a date that `text` asks for.
fn parse_date(text: &str) -> Result<DateChange, String> {
    if text == "none" { Ok(DateChange::Remove) } else { parse_time(text).map(DateChange::Set) }
}

#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// Purge protection: no deleted key is purged before its retention time is over, from now on and for ever
    #[arg(long)]
    pub(crate) purge_protection: bool,

    /// The tenant that the vault belongs to; resources that are under its keys stay so
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,

    /// The region that the vault is in; resources that are under its keys stay so
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct VersionsArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// One version only: its id, or at least the first 4 digits of it [default: all]
    #[arg(long, value_name = "VERSION")]
    pub(crate) key_version: Option<String>,
}

/// Permission of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PermissionOption {
    /// Look at keys
    Get,
    /// Wrap with them
    Wrap,
    /// Unwrap with them
    Unwrap,
    /// Nothing: takes away what was granted
    None,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The identity: 1 to 127 visible ASCII characters
    #[arg(value_name = "IDENTITY")]
    pub(crate) identity: String,

    /// One key only [default: every key]
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,

    /// All that it may do from now on, in place of what was granted before
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_values = ["get", "wrap", "unwrap"],
    )]
    pub(crate) permissions: Vec<PermissionOption>,

    /// Disable the identity, whatever it may do
    #[arg(long, conflicts_with_all = ["enable", "key", "permissions"])]
    pub(crate) disable: bool,

    /// Enable the identity again
    #[arg(long, conflicts_with_all = ["key", "permissions"])]
    pub(crate) enable: bool,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    /// The identity
    #[arg(value_name = "IDENTITY")]
    pub(crate) identity: String,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct VaultAuditArgs {
    #[command(flatten)]
    pub(crate) vault: VaultOption,

    /// A line that must be in it, as an earlier `vault audit` printed it at the end
    #[arg(long, value_name = "HEAD")]
    pub(crate) anchor: Option<Head>,

    /// Verify it without printing its events
    #[arg(long)]
    pub(crate) verify: bool,

    /// Close a part of the trail that does not hold, and go on in a new file that names it; the damaged file keeps its
    /// bytes under another name
    #[arg(long, conflicts_with_all = ["verify", "anchor"])]
    pub(crate) repair: bool,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// The file to write
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) force: ForceOption,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The file that `backup` wrote
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) vault: VaultOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct VaultOption {
    /// The vault's directory [default: strongroom/vault in the user's data directory]
    #[arg(
        long = "vault",
        value_name = "DIR",
        env = "STRONGROOM_VAULT",
        hide_env_values = true,
        value_hint = ValueHint::DirPath
    )]
    pub(crate) directory: Option<PathBuf>,

    /// A file whose first line is the vault's passphrase [default: asked for at the terminal]
    #[arg(
        long,
        value_name = "FILE",
        env = "STRONGROOM_PASSPHRASE_FILE",
        hide_env_values = true,
        value_hint = ValueHint::FilePath
    )]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// The longest wait for another command that is changing the vault, the service's home or a document: 30s, 5m
    /// [default: as long as it takes]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) lock_timeout: Option<u64>,
}

impl VaultOption {
    /// The longest wait for another command.
    pub(crate) fn lock_timeout(&self) -> Option<Duration> {
        self.lock_timeout.map(Duration::from_secs)
    }
}
