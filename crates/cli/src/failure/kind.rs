//! Kinds of failures, and exit codes, for programs.

use std::process::ExitCode;

use super::words::document_kind;
use super::{BackupFailure, Failure};

impl Failure {
    /// The name of the kind of failure, for programs: it stays when the sentence changes.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::InputIsDirectory { .. } | Self::OutputIsDirectory { .. } => "is-directory",
            Self::CommandNotStarted { .. } | Self::Command { .. } => "command",
            Self::Exists { .. } | Self::HomeExists { .. } | Self::Taken { .. } => "exists",
            Self::SameFile { .. } | Self::TwoReaders { .. } => "same-file",
            Self::InsideStore { .. } | Self::PassphraseInStore { .. } => "inside-store",
            Self::Reserved { .. } | Self::ReservedInput { .. } => "reserved-name",
            Self::Lock { .. } | Self::Waited { .. } | Self::NoLock { .. } => "locked",
            Self::Directory { .. }
            | Self::Write { .. }
            | Self::HeaderName { .. }
            | Self::HeaderKept { .. }
            | Self::NotDurable { .. }
            | Self::NotPrivate { .. }
            | Self::NotPrinted(_)
            | Self::Move { .. }
            | Self::Remove { .. }
            | Self::Rewrap { .. } => "write",
            Self::Read { .. } => "read",
            Self::KeyFile { .. } => "key-file",
            Self::Changed { .. } => "input-changed",
            Self::StdinClosed => "input-closed",
            Self::StdoutClosed { .. } | Self::Print | Self::PrintAfter { .. } => "output-closed",
            Self::Document { source, .. } | Self::ChangedLength { source, .. } => {
                document_kind(source)
            }
            Self::HeaderApart { .. } | Self::HeaderAlone { .. } | Self::NotAFile { .. } => "format",
            Self::OtherHeader { .. }
            | Self::NotUnlocked { .. }
            | Self::Header { .. }
            | Self::Chunk { .. } => "authentication",
            Self::Unproved { .. } => "unproved",
            Self::UnknownAlgorithm { .. } => "unknown-algorithm",
            Self::BeyondEnd { .. } => "range",
            Self::Contended { .. } | Self::Replaced { .. } => "contended",
            Self::NotCounted { .. } => "not-counted",
            Self::Foreign { .. } => "foreign",
            Self::SomeNotDone { .. } | Self::SomeLeft { .. } | Self::SomeNotShredded { .. } => {
                "some-failed"
            }
            Self::NoKey { .. } | Self::NoSuchKey { .. } | Self::NoResourceKey { .. } => "no-key",
            Self::Check { .. } | Self::MovedOther { .. } => "check",
            Self::Passphrase(_) | Self::CustomerPassphrase { .. } => "passphrase",
            Self::Vault(_)
            | Self::VaultExposed { .. }
            | Self::VaultFile { .. }
            | Self::NoVault { .. }
            | Self::NoHome
            | Self::EmptyHome => "vault",
            Self::NotGranted { .. } => "not-granted",
            Self::VaultMoved { .. } | Self::VaultUnused { .. } | Self::VaultOlder { .. } => {
                "vault-location"
            }
            Self::NoService { .. }
            | Self::HomeLacks { .. }
            | Self::HomeDamaged { .. }
            | Self::HomeFormat { .. }
            | Self::HomeExposed { .. }
            | Self::HomeFileSystem { .. }
            | Self::HomeLocked { .. }
            | Self::HomeFile { .. } => "home",
            Self::Resource(source) => match **source {
                strongroom_keys::Error::Denied { .. } => "denied",
                strongroom_keys::Error::Expired { .. } => "expired",
                _ => "resource",
            },
            Self::Audit(_) => "audit",
            Self::TrailRepaired { .. } => "audit-repaired",
            Self::Threads { .. } => "threads",
            Self::Backup(failure) => failure.kind(),
        }
    }

    /// 2 where the command line is at fault, 3 for an audit trail that was repaired or a backup of a home that lacks something, 1 for everything else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            // It holds, and is not what it should be.
            Self::TrailRepaired { .. } | Self::Backup(BackupFailure::Lacks { .. }) => {
                ExitCode::from(3)
            }
            _ => ExitCode::FAILURE,
        }
    }
}
