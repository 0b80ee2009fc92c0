//! No key reaches a log: everything that `tracing`, `Debug`, messages and files show is searched.
//!
//! A program of its own, because the subscriber is the whole process's.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use futures_lite::future::block_on;
use strongroom::secret::Secret;
use strongroom::wrap::Algorithm;
use strongroom_keys::audit::{
    AuditError, AuditEvent, AuditKey, AuditResult, Auditor, Caller, FileHeadStore, HeadStore as _,
    JsonLines, verify,
};
use strongroom_keys::clock::SystemClock;
use strongroom_keys::vault::VersionedKeyId;
use strongroom_local_vault::LocalVault;
use tracing_subscriber::fmt::MakeWriter;

/// Captured log.
#[derive(Clone, Debug, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.as_chunks::<3>().0 {
        let bits = u32::from_be_bytes([0, chunk[0], chunk[1], chunk[2]]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(DIGITS[(bits >> shift) as usize & 63]));
        }
    }
    text
}

/// The forms in which `secret` would be found: raw, hexadecimal, as a list of numbers, and base64 in
/// both alphabets wherever it begins.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = secret.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let list = format!("{secret:?}");
    let mut forms = vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        list.trim_matches(['[', ']']).as_bytes().to_vec(),
    ];
    for skipped in 0..3 {
        let text = base64(&secret[skipped..]);
        forms.push(text.replace('+', "-").replace('/', "_").into_bytes());
        forms.push(text.into_bytes());
    }
    forms
}

fn contains_any(haystack: &[u8], secret: &[u8]) -> bool {
    forms(secret).iter().any(|form| haystack.windows(form.len()).any(|window| window == form))
}

#[test]
fn no_key_is_shown_anywhere() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(captured.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let bytes = Secret::<32>::generate().unwrap();
    let key = AuditKey::new(bytes.expose());
    let store = Arc::new(FileHeadStore::new(directory.path().join("head"), &key));
    let sink = JsonLines::new(&path, &key).head_store(store.clone());
    let mut shown = format!("{key:?} {store:?} {sink:?}");

    let vault = LocalVault::init(&directory.path().join("vault")).unwrap();
    vault.create("invoices").unwrap();
    let public = vault.wrapping_key("invoices").unwrap();
    let data_key = Secret::<32>::generate().unwrap();
    let wrapped = public.wrap(data_key.expose()).unwrap();
    let id = VersionedKeyId::parse(public.id().as_str()).unwrap();

    let auditor = Auditor::new(Arc::new(sink.clone()), Arc::new(SystemClock), true);
    let caller = Caller::new("ops\u{1b}[2J");
    let record = |result| {
        let event = AuditEvent {
            key: Some(id.clone()),
            resource: Some("invoices".to_owned()),
            identity: Some("service".to_owned()),
            duration_us: 812,
            ..AuditEvent::new("unwrap", result)
        };
        block_on(auditor.record(event, &caller))
    };
    // One that works, one that does not, and one that cannot be recorded.
    let opened = vault.unwrap(public.id(), Algorithm::RsaOaep256, &wrapped);
    assert_eq!(opened.as_ref().unwrap().expose(), data_key.expose());
    record(AuditResult::of(&opened)).unwrap();
    let mut spoilt = wrapped;
    spoilt[5] ^= 1;
    let refused = vault.unwrap(public.id(), Algorithm::RsaOaep256, &spoilt);
    record(AuditResult::of(&refused)).unwrap();
    write!(shown, "{auditor:?} {vault:?} {opened:?} {refused:?}").unwrap();
    let head = store.load().unwrap();
    std::fs::write(&path, b"").unwrap();
    let error = record(AuditResult::Done).unwrap_err();
    assert!(matches!(error, AuditError::Truncated { .. }), "{error}");
    let cut = verify(&path, &key, head).unwrap_err();
    let wrong = FileHeadStore::new(store.path(), &AuditKey::new(&[1; 32])).load().unwrap_err();
    write!(shown, "{error} {error:?} {cut} {cut:?} {wrong} {wrong:?}").unwrap();

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    // It captured what it should: three events, and the failure to record one.
    assert_eq!(log.matches("strongroom::audit").count(), 4, "{log}");
    assert_eq!((log.matches(" INFO ").count(), log.matches(" WARN ").count()), (2, 1), "{log}");
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    for field in
        ["time=", "operation=unwrap", "key=", "resource=", "identity=", "result=", "caller="]
    {
        assert!(log.lines().filter(|line| line.contains(field)).count() >= 3, "{field}: {log}");
    }
    assert!(log.contains(public.id().as_str()) && log.contains("cut off"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");

    let kept = std::fs::read(store.path()).unwrap();
    let everything = [log.as_bytes(), shown.as_bytes(), &kept].concat();
    for secret in [bytes.expose(), data_key.expose()] {
        assert!(!contains_any(&everything, secret));
        // The search finds each form where it is.
        for form in forms(secret) {
            assert!(contains_any(&[b"key=".as_slice(), &form, b" "].concat(), secret));
        }
    }
}
