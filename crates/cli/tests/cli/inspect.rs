//! All that a header says, without a key.

use serde_json::{Value, json};
use strongroom::document::{Header, Layers, PlaintextLen, SealOptions, Sealer, Slots, seal};
use strongroom::wrap::WrappingKey;
use strongroom_local_vault::LocalVault;

use crate::home::{Home, bytes};

fn inspect(home: &Home, args: &[&str]) -> Value {
    home.run(["inspect", "--json"].iter().chain(args)).succeeds().json()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn key(home: &Home) -> WrappingKey {
    LocalVault::open(&home.default_vault()).unwrap().wrapping_key("default").unwrap()
}

#[test]
fn each_field_of_the_header_is_there() {
    let home = Home::with_vault();
    let expires_at = Some(4_102_444_800);
    let options = SealOptions { slots: Slots::One, expires_at, ..SealOptions::default() };
    home.write("object", &seal(&bytes(5000), &[key(&home)], &options).unwrap());
    let header = Header::parse(&home.read("object")).unwrap();
    let value = inspect(&home, &["object"]);
    let recipient = &header.recipients()[0];
    assert_eq!(
        value,
        json!({
            "input": "object",
            "authenticated": false,
            "format": 1,
            "suite": "AES-256-GCM, HKDF-SHA-256",
            "suite_code": 1,
            "layers": 1,
            "chunk_bytes": 1_048_576,
            "plaintext_bytes": 5000,
            "expires_at": 4_102_444_800_u64,
            "expires_at_rfc3339": "2100-01-01T00:00:00Z",
            "salt": hex(header.salt()),
            "context_tag": hex(header.context_tag()),
            "commitment": hex(header.commitment()),
            "header_bytes": header.len(),
            "generation": 1,
            "slot_bytes": header.slot_len(),
            "slots": ["current"],
            "recipients": [{
                "layer": 1,
                "algorithm": "RSA-OAEP-256",
                "algorithm_code": 1,
                "key": recipient.key_id().as_str(),
                "wrapped_bytes": 256,
            }],
            "body": { "bytes": 5016, "plaintext_bytes": 5000 },
        })
    );
    let shown = home.run(["inspect", "object"]).succeeds();
    assert!(shown.text().contains("\nexpires     2100-01-01T00:00:00Z\n"), "{}", shown.text());
}

#[test]
fn two_layers_and_their_recipients() {
    let home = Home::with_vault();
    LocalVault::open(&home.default_vault()).unwrap().create("outer").unwrap();
    let outer = LocalVault::open(&home.default_vault()).unwrap().wrapping_key("outer").unwrap();
    let (inner, outer) = ([key(&home)], [outer]);
    let layers = Layers::Two { service: &inner, customer: &outer };
    let sealer = Sealer::new(PlaintextLen::Known(4), layers, &SealOptions::default()).unwrap();
    home.write("two", &sealer.seal_slice(b"text").unwrap());
    let value = inspect(&home, &["two"]);
    assert_eq!(value["layers"], 2);
    let of = |number: usize| {
        let recipient = &value["recipients"][number];
        (recipient["layer"].clone(), recipient["key"].as_str().unwrap().to_owned())
    };
    assert_eq!(of(0).0, 1);
    assert_eq!(of(0).1, home.key_id("default/1"));
    assert_eq!(of(1).0, 2);
    assert_eq!(of(1).1, home.key_id("outer/1"));
    assert_eq!(value["body"], json!({ "bytes": 4 + 2 * 16, "plaintext_bytes": 4 }));
    home.run(["verify", "two"]).succeeds();
}

#[test]
fn damaged_and_stale_copies() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let first = home.read("plain.sealed");
    home.run(["vault", "rotate", "default"]).succeeds();
    home.run(["rewrap", "plain.sealed"]).succeeds();
    let mut stale = home.read("plain.sealed");
    stale[1536..2560].copy_from_slice(&first[1536..2560]);
    home.write("stale", &stale);
    let value = inspect(&home, &["stale"]);
    assert_eq!(value["slots"], json!(["current", "stale"]));
    assert_eq!(value["generation"], 2);
    let words = "the second copy of the recipients in its header is out of date: a rewrap was \
                 interrupted";
    assert_eq!(value["mended"], words);
    let shown = home.run(["inspect", "stale"]).succeeds();
    assert!(shown.text().contains("\nslots       2 of 1024 bytes: current, stale\n"));
    assert!(shown.text().ends_with(&format!("\nwarning     {words}\n")), "{}", shown.text());

    let mut damaged = first;
    damaged[512 + 512] ^= 0xff;
    home.write("damaged", &damaged);
    let value = inspect(&home, &["damaged"]);
    assert_eq!(value["slots"], json!(["damaged", "current"]));
    assert_eq!(
        value["mended"],
        "the first copy of the recipients in its header is damaged, and the other one serves"
    );
}

#[test]
fn what_the_length_says_of_the_body() {
    let home = Home::with_vault();
    home.write("plain", &bytes(10_000));
    home.run(["seal", "plain"]).succeeds();
    let sealed = home.read("plain.sealed");
    let body = |contents: &[u8]| {
        home.write("changed", contents);
        inspect(&home, &["changed"])["body"].clone()
    };
    assert_eq!(body(&sealed), json!({ "bytes": 10_016, "plaintext_bytes": 10_000 }));
    assert_eq!(
        body(&sealed[..sealed.len() - 1]),
        json!({
            "bytes": 10_015,
            "plaintext_bytes": null,
            "problem": "it ends before its last byte: it was truncated",
        })
    );
    assert_eq!(
        body(&[&sealed[..], b"\n"].concat()),
        json!({
            "bytes": 10_017,
            "plaintext_bytes": null,
            "problem": "it goes on after its last byte: something was appended",
        })
    );
    assert_eq!(
        body(&sealed[..2560]),
        json!({ "bytes": 0, "plaintext_bytes": null, "problem": "there is none: a header alone" })
    );
    // Of a pipe no length is known, and nothing behind the header is read.
    let piped = home.pipe(["inspect", "-", "--json"], &sealed).succeeds().json();
    assert_eq!(piped["body"], Value::Null);
    assert_eq!(piped["input"], "standard input");
}

#[test]
fn a_stream_and_a_detached_header() {
    let home = Home::with_vault();
    home.write("plain", &bytes(10_000));
    home.run(["seal", "plain", "-o", "body", "--detach-header", "head", "--stream"]).succeeds();
    home.run(["seal", "plain", "-o", "other", "--detach-header", "head2", "--stream"]).succeeds();
    let value = inspect(&home, &["body", "--header", "head"]);
    assert_eq!(value["input"], "body");
    assert_eq!(value["header"], "head");
    assert_eq!(value["plaintext_bytes"], Value::Null);
    assert_eq!(value["body"], json!({ "bytes": 10_016, "plaintext_bytes": 10_000 }));
    let shown = home.run(["inspect", "body", "--header", "head"]).succeeds();
    assert!(shown.text().contains("\nplaintext   of unknown length: sealed from a stream\n"));
    assert!(shown.text().contains("\nheader      2560 bytes, generation 1, in head\n"));
    assert_eq!(
        inspect(&home, &["body", "--header", "head2"])["body"],
        json!({
            "bytes": 10_016,
            "plaintext_bytes": null,
            "problem": "it does not belong to this header",
        })
    );
}
