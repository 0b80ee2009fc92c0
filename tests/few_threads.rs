//! A system that gives no threads: everything is done on the caller's own.
//!
//! A thread needs a stack, and here every one is to have a stack of the whole address space. So the system
//! refuses each, whoever runs the test; the test runs itself once more that way.
#![cfg(all(feature = "parallel", feature = "rsa", target_os = "linux"))]

use std::env;
use std::process::Command;

use strongroom::document::{
    self, Header, Layers, OpenOptions, PlaintextLen, Run, SealOptions, Sealer,
};
use strongroom::rsa::{PrivateKey, unwrap_batch};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const STACK: &str = "RUST_MIN_STACK";

/// More bytes than a process can address.
const TOO_LARGE: &str = "140737488355328";

#[test]
fn the_engine_works_where_the_system_gives_no_threads() {
    if env::var(STACK).as_deref() != Ok(TOO_LARGE) {
        // Without a harness thread: that would be refused first.
        let again = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_engine_works_where_the_system_gives_no_threads"])
            .args(["--nocapture", "--test-threads=1"])
            .env(STACK, TOO_LARGE)
            .env("RAYON_NUM_THREADS", "4")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success(), "{said}{}", String::from_utf8_lossy(&again.stderr));
        assert!(said.contains("4 ways without a thread"), "{said}");
        return;
    }
    assert!(std::thread::Builder::new().spawn(|| ()).is_err(), "threads are refused");

    let private = PrivateKey::generate().unwrap();
    let wrapped = private.public_key().encrypt_oaep_256(b"a key").unwrap();
    for count in [1, 3] {
        let secrets = unwrap_batch(&vec![(&private, &wrapped[..]); count]);
        assert_eq!(secrets.len(), count);
        assert!(secrets.iter().all(|secret| secret.as_ref().unwrap().expose() == b"a key"));
    }

    let id = KeyId::new("test/1").unwrap();
    let key = || Secret::copy_from(&[7; 32]);
    let wrapping = [WrappingKey::aes(id.clone(), key())];
    let unwrapping = [UnwrappingKey::aes(id, key())];
    let text: Vec<u8> = (0_u8..=250).cycle().take(5 << 20).collect();

    let sealed = document::seal(&text, Layers::One(&wrapping), &SealOptions::default()).unwrap();
    let opened = document::open(&sealed, &unwrapping, &OpenOptions::default()).unwrap();
    assert!(opened == text);

    let mut stream = Vec::new();
    let sealer =
        Sealer::new(PlaintextLen::Stream, Layers::One(&wrapping), &SealOptions::default()).unwrap();
    sealer.seal_stream(&mut &text[..], &mut stream, &Run::default()).unwrap();
    let mut input = &stream[..];
    let header = Header::read(&mut input).unwrap();
    let opener = header.unlock_with(&unwrapping, &OpenOptions::default()).unwrap();
    let mut opened = Vec::new();
    opener.open_stream(&mut input, &mut opened, &Run::default()).unwrap();
    assert!(opened == text);
    println!("4 ways without a thread");
}
