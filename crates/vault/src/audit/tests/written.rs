//! Content of the file: texts without danger and within bounds, private files, failing sinks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future::block_on;
use serde_json::Value;

use super::*;
use crate::audit::{AuditSink, Auditor, Caller, Known, MemorySink, StateMark, TimeMark, printable};
use crate::clock::Clock;

/// Text that would do something to a terminal, or hide.
const DANGEROUS: &str =
    "a\u{1b}[2J\u{9b}31m\u{7f}\r\n\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{e0041}\"\\ö";

fn is_dangerous(c: char) -> bool {
    DANGEROUS.contains(c) && !"a[2J31m\"\\ö".contains(c)
}

#[test]
fn dangerous_text_is_kept_and_reaches_no_terminal() {
    let trail = Trail::empty();
    let mut written = event(1);
    written.operation = DANGEROUS.to_owned();
    written.resource = Some(DANGEROUS.to_owned());
    written.result = AuditResult::Failed(DANGEROUS.to_owned());
    written.caller = Some(DANGEROUS.to_owned());
    written.correlation_id = Some(DANGEROUS.to_owned());
    trail.sink().record_blocking(&written).unwrap();

    let text = String::from_utf8(trail.bytes()).unwrap();
    assert_eq!(text.matches(is_dangerous).collect::<Vec<_>>(), ["\n"], "the line's own");
    assert_eq!(text.matches('ö').count(), 5);
    let (lines, _) = trail.lines();
    assert_eq!(lines[0].event, written);
    assert!(!lines[0].to_string().contains(is_dangerous), "{}", lines[0]);
    assert_eq!(DANGEROUS.chars().filter(|c| is_dangerous(*c)).count(), 11);
    assert!(printable(DANGEROUS).to_string().ends_with("\\\"\\\\ö"));
}

#[test]
fn long_text_is_cut_with_a_mark_and_the_line_stays_short() {
    for filling in ["x", "\"", "\u{1}", "ö", "\u{202e}", "\u{e0041}", "🔑"] {
        let trail = Trail::empty();
        let long = filling.repeat(100_000);
        let mut written = event(1);
        written.operation.clone_from(&long);
        written.resource = Some(long.clone());
        written.result = AuditResult::Failed(long.clone());
        written.caller = Some(long.clone());
        written.identity = Some(long.clone());
        written.correlation_id = Some(long.clone());
        let name = "n".repeat(64);
        written.state = Some(StateMark { name, number: u64::MAX, mac: [7; 32] });
        written.detail = Some(serde_json::json!("x".repeat(3000)));
        written.clock = Some(TimeMark { time: u64::MAX, elapsed: u64::MAX });
        written.key =
            Some(VersionedKeyId::parse(&format!("{}/invoices/3", "\"".repeat(200))).unwrap());
        trail.sink().record_blocking(&written).unwrap();
        trail.sink().record_blocking(&written).unwrap();
        for line in trail.raw_lines() {
            assert!((12_000..=16 * 1024).contains(&line.len()), "{filling:?}: {}", line.len());
        }
        let (lines, verified) = trail.lines();
        assert_eq!(verified.unwrap().lines, 2);
        let caller = lines[0].event.caller.as_deref().unwrap();
        assert!(caller.starts_with(filling), "{filling:?}");
        assert!(caller.ends_with(&format!("of {} bytes)", long.len())), "{caller}");
    }
}

#[test]
fn files_are_private_and_one_that_others_may_write_is_refused() {
    let trail = Trail::new();
    let mode = |mode| fs::set_permissions(&trail.path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(&trail.path).unwrap().permissions().mode() & 0o777, 0o600);
    for exposed in [0o620, 0o602, 0o666] {
        mode(exposed);
        let error = trail.sink().record_blocking(&event(31)).unwrap_err();
        assert_eq!(error, AuditError::Exposed { path: trail.path.clone(), mode: exposed });
    }
    mode(0o640);
    trail.record([31]);
}

#[test]
fn what_cannot_be_opened_is_named() {
    let trail = Trail::empty();
    let missing = trail.path.join("audit.jsonl");
    let error = JsonLines::new(&missing, &trail.key).record_blocking(&event(1)).unwrap_err();
    assert!(matches!(&error, AuditError::File { path, .. } if *path == missing), "{error}");
    let error = trail.verify().unwrap_err();
    assert_eq!(error, AuditError::Missing { path: trail.path.clone() });
    assert_eq!(block_on(trail.sink().head()), Ok(None));
}

/// A clock that stands at one moment.
#[derive(Debug)]
struct Standing;

#[async_trait]
impl Clock for Standing {
    fn unix_time(&self) -> u64 {
        1_790_000_000
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(9)
    }

    async fn sleep(&self, _duration: Duration) {}
}

/// A sink that refuses events while it is told to.
#[derive(Debug, Default)]
struct Refusing {
    kept: MemorySink,
    refuses: AtomicBool,
}

#[async_trait]
impl AuditSink for Refusing {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(AuditError::Unwritable { reason: "it was told to refuse".to_owned() });
        }
        self.kept.record(event).await
    }

    async fn recall(&self) -> Known {
        self.kept.recall().await
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        self.kept.outlines().await
    }
}

fn record(auditor: &Auditor) -> Result<(), AuditError> {
    let event = AuditEvent { caller: None, correlation_id: None, ..event(0) };
    block_on(auditor.record(event, &Caller::new("ops@contoso").correlated("0a1b2c")))
}

#[test]
fn an_auditor_fills_in_time_and_caller() {
    let sink = Arc::new(MemorySink::default());
    record(&Auditor::new(sink.clone(), Arc::new(Standing), true)).unwrap();
    let expected = AuditEvent { time: 1_790_000_000, ..event(0) };
    assert_eq!(sink.events(), [expected]);
}

#[test]
fn a_required_trail_refuses_and_another_counts() {
    for required in [true, false] {
        let sink = Arc::new(Refusing::default());
        let auditor = Auditor::new(sink.clone(), Arc::new(Standing), required);
        assert_eq!(auditor.is_required(), required);
        record(&auditor).unwrap();
        sink.refuses.store(true, Ordering::SeqCst);
        assert_eq!(record(&auditor).is_err(), required);
        sink.refuses.store(false, Ordering::SeqCst);
        record(&auditor).unwrap();
        assert_eq!((auditor.failures(), sink.kept.events().len()), (1, 2));
    }
}
