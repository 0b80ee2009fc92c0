//! Keys that other programs wrote, imported into a local vault.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

use std::path::Path;
use std::time::{Duration, Instant};

use strongroom::rsa::{PrivateKey, PublicKey};
use strongroom::secret::SecretVec;
use strongroom::wrap::{Algorithm, KeyId};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{KeyOptions, LocalVaultError, read_rsa_key};

/// A file that OpenSSL wrote; the README there says how.
fn file(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported");
    std::fs::read(directory.join(name)).unwrap()
}

fn read(name: &str, passphrase: Option<&str>) -> Result<PrivateKey, LocalVaultError> {
    let passphrase = passphrase.map(|text| SecretVec::from(text.as_bytes().to_vec()));
    read_rsa_key(&file(name), passphrase.as_ref())
}

#[test]
fn every_form_of_a_key_is_read_and_does_its_work_in_the_vault() {
    let public =
        PublicKey::from_spki_pem(std::str::from_utf8(&file("public.pem")).unwrap()).unwrap();
    let elsewhere = public.encrypt_oaep_256(b"wrapped elsewhere").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let vault = LocalVault::init(&directory.path().join("vault")).unwrap();
    for (at, (name, passphrase)) in [
        ("pkcs8.pem", None),
        ("pkcs8.der", None),
        ("pkcs1.pem", None),
        ("pkcs1.der", None),
        ("encrypted.pem", Some("open")),
        ("encrypted.der", Some("open")),
        ("scrypt.pem", Some("open")),
        // A passphrase is not asked for.
        ("pkcs8.pem", Some("open")),
    ]
    .into_iter()
    .enumerate()
    {
        let key = read(name, passphrase).unwrap();
        assert_eq!(
            key.public_key().to_spki_der().unwrap(),
            public.to_spki_der().unwrap(),
            "{name}"
        );
        let id = vault.import_rsa(&format!("key-{at}"), key, KeyOptions::default()).unwrap();
        let id = KeyId::new(&id.to_string()).unwrap();
        let oaep = Algorithm::RsaOaep256;
        let unwrapped = vault.unwrap(&id, oaep, &elsewhere).unwrap();
        assert_eq!(unwrapped.expose(), b"wrapped elsewhere", "{name}");
        let wrapped = vault.wrapping_key(&format!("key-{at}")).unwrap().wrap(b"here").unwrap();
        assert_eq!(vault.unwrap(&id, oaep, &wrapped).unwrap().expose(), b"here", "{name}");
    }
    // Lines ends of another system, and text around it.
    let text = String::from_utf8(file("pkcs8.pem")).unwrap().replace('\n', "\r\n");
    read_rsa_key(text.as_bytes(), None).unwrap();
}

#[test]
fn what_is_no_such_key_is_refused_with_the_next_step() {
    for (name, passphrase, words) in [
        ("rsa3072.pem", None, "2048"),
        ("ec.pem", None, "RSA"),
        ("public.pem", None, "it is the public half; give the file with the private key"),
        ("traditional.pem", Some("open"), "with: openssl pkcs8 -topk8 -in OLD -out NEW"),
        ("des3.pem", Some("open"), "with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW"),
        ("slow.pem", Some("open"), "to try its passphrase would take too long"),
    ] {
        let started = Instant::now();
        let error = read(name, passphrase).unwrap_err();
        assert!(matches!(error, LocalVaultError::KeyFile { .. }), "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert!(started.elapsed() < Duration::from_secs(5), "{name}");
    }
    for name in ["encrypted.pem", "encrypted.der", "scrypt.pem"] {
        let error = read(name, None).unwrap_err();
        assert!(matches!(error, LocalVaultError::KeyFileEncrypted), "{name}: {error}");
        for wrong in ["", "Open", "open "] {
            let error = read(name, Some(wrong)).unwrap_err();
            assert!(matches!(error, LocalVaultError::KeyFilePassphrase), "{name}: {error}");
        }
    }
}

/// Files that an attacker made, or a disk damaged.
#[test]
fn a_damaged_file_is_refused_and_never_takes_long() {
    let mut refused = 0;
    for name in ["pkcs8.pem", "pkcs8.der", "pkcs1.der", "encrypted.der"] {
        let whole = file(name);
        for at in (0..whole.len()).step_by(61) {
            let mut changed = whole.clone();
            changed[at] ^= 4;
            let passphrase = SecretVec::from(b"open".to_vec());
            let started = Instant::now();
            // Some fields are not the key's: what is read is the key, whole.
            if let Ok(key) = read_rsa_key(&changed, Some(&passphrase)) {
                let known = read("pkcs8.pem", None).unwrap().public_key();
                assert_eq!(key.public_key().to_spki_der().unwrap(), known.to_spki_der().unwrap());
            } else {
                refused += 1;
            }
            assert!(read_rsa_key(&whole[..at], Some(&passphrase)).is_err(), "{name} cut at {at}");
            assert!(started.elapsed() < Duration::from_secs(20), "{name} at {at}");
        }
    }
    assert!(refused > 60, "{refused}");
    for junk in
        [&b""[..], b"-----BEGIN ", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"]
    {
        let error = read_rsa_key(junk, None).unwrap_err();
        assert!(matches!(error, LocalVaultError::KeyFile { .. }), "{error}");
    }
}
