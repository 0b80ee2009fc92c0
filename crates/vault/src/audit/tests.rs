//! Tests that look inside: mistakes planted, the disk watched and broken.

mod damaged;
mod durable;
pub(super) mod planted;
mod rotated;
mod tampered;
mod torn;
mod written;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{
    AuditError, AuditEvent, AuditKey, AuditLine, AuditResult, Head, JsonLines, Sync, Verified,
    verify, verify_each,
};
use crate::VersionedKeyId;

/// Number of lines of these tests' trail.
const LINES: u64 = 30;

/// A trail in a directory of its own.
struct Trail {
    _directory: TempDir,
    path: PathBuf,
    key: AuditKey,
}

impl Trail {
    fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        Self { _directory: directory, path, key: AuditKey::new(&[7; 32]) }
    }

    /// With [`LINES`] lines.
    fn new() -> Self {
        let trail = Self::empty();
        trail.record(1..=LINES);
        trail
    }

    /// A writer that is not slowed down by the disk.
    fn sink(&self) -> JsonLines {
        JsonLines::new(&self.path, &self.key).sync(Sync::Never)
    }

    fn record(&self, times: impl IntoIterator<Item = u64>) {
        let sink = self.sink();
        for time in times {
            sink.record_blocking(&event(time)).unwrap();
        }
    }

    fn verify(&self) -> Result<Verified, AuditError> {
        verify(&self.path, &self.key, None)
    }

    fn head(&self) -> Option<Head> {
        self.verify().unwrap().head
    }

    /// The lines that hold, and what comes of the whole.
    fn lines(&self) -> (Vec<AuditLine>, Result<Verified, AuditError>) {
        let mut lines = Vec::new();
        let verified =
            verify_each(&self.path, &self.key, None, &mut |line| lines.push(line.clone()));
        (lines, verified)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    fn set_bytes(&self, bytes: &[u8]) {
        fs::write(&self.path, bytes).unwrap();
    }

    /// The file's lines, each with its newline.
    fn raw_lines(&self) -> Vec<Vec<u8>> {
        self.bytes().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }
}

/// An event that has all fields, told from others by its time.
fn event(time: u64) -> AuditEvent {
    AuditEvent {
        time,
        operation: "unwrap".to_owned(),
        key: Some(VersionedKeyId::parse("local/0123456789abcdef/invoices/3").unwrap()),
        resource: Some("invoices".to_owned()),
        identity: Some("service".to_owned()),
        result: if time.is_multiple_of(3) {
            AuditResult::Failed("the vault cannot be reached".to_owned())
        } else {
            AuditResult::Done
        },
        duration_us: 812,
        caller: Some("ops@contoso".to_owned()),
        correlation_id: Some("0a1b2c".to_owned()),
        state: None,
        detail: None,
        clock: None,
        doubt: None,
    }
}
