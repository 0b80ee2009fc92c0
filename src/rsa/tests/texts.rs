//! PEM texts: what is read and written, and what is said about the wrong file.

use super::{KEY, Numbers, oracle};
use crate::error::Error;
use crate::rsa::{PrivateKey, PublicKey, pem};

fn private_text() -> String {
    String::from_utf8(KEY.to_pkcs8_pem().unwrap().expose().to_vec()).unwrap()
}

fn public_text() -> String {
    KEY.public_key().to_spki_pem().unwrap()
}

#[track_caller]
fn refused<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Key { reason, .. }) => reason,
        Err(error) => panic!("refused with {error:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn keys_survive_being_written_and_read() {
    let key = PrivateKey::from_pkcs8_pem(&private_text()).unwrap();
    assert_eq!(oracle(&key), oracle(&KEY));
    assert_eq!(key.to_pkcs8_pem().unwrap().expose(), private_text().as_bytes());
    assert_eq!(KEY.to_pkcs8_der().unwrap().expose(), Numbers::of(&oracle(&KEY)).pkcs8());

    let public = PublicKey::from_spki_pem(&public_text()).unwrap();
    assert_eq!(public, KEY.public_key());
    assert_eq!(public.to_spki_pem().unwrap(), public_text());
    assert_ne!(public, PrivateKey::generate().unwrap().public_key());

    assert!(private_text().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(private_text().ends_with("\n-----END PRIVATE KEY-----\n"));
    assert!(public_text().starts_with("-----BEGIN PUBLIC KEY-----\n"));
}

#[test]
fn line_ends_and_space_around_a_text_do_not_matter() {
    for text in [public_text().replace('\n', "\r\n"), format!("\n\n  {}\n\n", public_text())] {
        assert_eq!(PublicKey::from_spki_pem(&text).unwrap(), KEY.public_key());
    }
    let text = private_text().replace('\n', "\r\n");
    assert_eq!(PrivateKey::from_pkcs8_pem(&text).unwrap().public_key(), KEY.public_key());
}

#[test]
fn what_openssl_reads_is_read() {
    let plain = private_text();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    let body: String = plain.lines().filter(|line| !line.starts_with('-')).collect();
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in [
        plain.trim_end().to_owned(),
        format!("Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n{plain}"),
        format!("\u{feff}\n{plain}"),
        format!("{plain}\nnotes: keep it safe\n"),
        plain.replace('\n', "  \t\n"),
        plain.replace('\n', "\r\n  \r\n"),
        plain.replace('\n', "\n\n"),
        plain.replace('\n', "\r"),
        format!("{begin}\n{body}\n{end}"),
        format!("{begin}\n{}\n{}\n{end}\n", &body[..100], &body[100..]),
        format!("{certificate}{plain}"),
        format!("{plain}{certificate}"),
    ] {
        let key = PrivateKey::from_pkcs8_pem(&text).unwrap();
        assert_eq!(key.public_key(), KEY.public_key(), "{text}");
    }
}

#[test]
fn a_public_key_given_as_a_private_one_is_named_and_the_reverse() {
    let private = KEY.to_pkcs8_der().unwrap();
    let public = KEY.public_key().to_spki_der().unwrap();
    assert_eq!(refused(PrivateKey::from_pkcs8_pem(&public_text())), pem::IS_PUBLIC);
    assert_eq!(refused(PrivateKey::from_pkcs8_der(&public)), pem::IS_PUBLIC);
    assert_eq!(refused(PublicKey::from_spki_pem(&private_text())), pem::IS_PRIVATE);
    assert_eq!(refused(PublicKey::from_spki_der(private.expose())), pem::IS_PRIVATE);
    // A label that lies.
    let text = public_text().replace("PUBLIC", "PRIVATE");
    assert_eq!(refused(PrivateKey::from_pkcs8_pem(&text)), pem::IS_PUBLIC);
}

#[test]
fn every_other_file_gets_its_next_step() {
    for (label, as_private, as_public) in [
        ("RSA PRIVATE KEY", "`openssl pkcs8 -topk8", "is a private key"),
        ("ENCRYPTED PRIVATE KEY", "passphrase", "is a private key"),
        ("RSA PUBLIC KEY", "is a public key", "-RSAPublicKey_in"),
        ("CERTIFICATE", "certificate", "certificate"),
        ("EC PRIVATE KEY", "RSA key of 2048 bits", "RSA key of 2048 bits"),
        ("OPENSSH PRIVATE KEY", "RSA key of 2048 bits", "RSA key of 2048 bits"),
    ] {
        let private = private_text().replace("PRIVATE KEY", label);
        let reason = refused(PrivateKey::from_pkcs8_pem(&private));
        assert!(reason.contains(as_private), "{label}: {reason}");
        let public = public_text().replace("PUBLIC KEY", label);
        let reason = refused(PublicKey::from_spki_pem(&public));
        assert!(reason.contains(as_public), "{label}: {reason}");
    }
}

#[test]
fn text_that_is_no_pem_is_refused() {
    let cut = private_text()[..600].into();
    let garbled = private_text().replacen("\nM", "\n*", 1);
    for text in [
        String::new(),
        "garbage".into(),
        "-----BEGIN PRIVATE KEY-----".into(),
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".into(),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".into(),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into(),
        cut,
        garbled,
    ] {
        refused(PrivateKey::from_pkcs8_pem(&text));
        refused(PublicKey::from_spki_pem(&text.replace("PRIVATE", "PUBLIC")));
    }
}

#[test]
fn debug_tells_keys_apart_and_shows_no_secret() {
    let public = format!("{:?}", KEY.public_key());
    assert!(public.starts_with("PublicKey(RSA-2048, SHA-256 "), "{public}");
    assert_eq!(public.len(), "PublicKey(RSA-2048, SHA-256 0123456789abcdef)".len());
    assert_eq!(format!("{:?}", *KEY), format!("PrivateKey(redacted, of {public})"));
    assert_ne!(public, format!("{:?}", PrivateKey::generate().unwrap().public_key()));
}
