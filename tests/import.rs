//! Keys that other programs wrote (`tests/imported`, whose README has the commands), in every form that is read, and what
//! is said of the others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper that fails is a failed test")]

use std::path::Path;
use std::time::{Duration, Instant};

use strongroom::Error;
use strongroom::rsa::{PrivateKey, PublicKey};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported").join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(file(name)).unwrap()
}

/// The public half of the key that most files hold.
fn known() -> PublicKey {
    PublicKey::from_spki_pem(&text("public.pem")).unwrap()
}

#[track_caller]
fn reason<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Key { reason, .. }) => reason,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("accepted"),
    }
}

const PLAIN: [&str; 5] = ["pkcs8.pem", "pkcs8.der", "pkcs1.pem", "pkcs1.der", "bag.pem"];
const ENCRYPTED: [&str; 6] =
    ["encrypted.pem", "encrypted.der", "aes128.pem", "aes192.pem", "scrypt.pem", "scrypt.der"];
const PUBLIC: [&str; 4] = ["public.pem", "public.der", "pkcs1.public.pem", "pkcs1.public.der"];

#[test]
fn every_form_of_a_private_key_is_read_and_does_its_work() {
    let elsewhere = known().encrypt_oaep_256(b"wrapped elsewhere").unwrap();
    let written = PrivateKey::import(&file("pkcs8.der")).unwrap();
    assert_eq!(written.to_pkcs8_der().unwrap().expose(), file("pkcs8.der"));
    assert_eq!(written.to_pkcs8_pem().unwrap().expose(), file("pkcs8.pem"));
    for name in PLAIN {
        // A passphrase is not looked at.
        for key in
            [PrivateKey::import(&file(name)), PrivateKey::import_encrypted(&file(name), b"x")]
        {
            let key = key.unwrap();
            assert_eq!(key.public_key(), known(), "{name}");
            assert_eq!(key.decrypt_oaep_256(&elsewhere).unwrap().expose(), b"wrapped elsewhere");
            assert_eq!(key.to_pkcs8_der().unwrap().expose(), file("pkcs8.der"), "{name}");
        }
    }
    for name in ENCRYPTED {
        let key = PrivateKey::import_encrypted(&file(name), b"open").unwrap();
        assert_eq!(key.to_pkcs8_der().unwrap().expose(), file("pkcs8.der"), "{name}");
    }
    let three = PrivateKey::import(&file("e3.pem")).unwrap();
    assert_eq!(three.public_key(), PublicKey::import(&file("e3.public.pem")).unwrap());
    assert_eq!(three.public_key().exponent(), 3);
}

#[test]
fn every_form_of_a_public_key_is_read() {
    for name in PUBLIC {
        let key = PublicKey::import(&file(name)).unwrap();
        assert_eq!(key, known(), "{name}");
        assert_eq!(key.to_spki_der().unwrap(), file("public.der"));
        assert_eq!(key.to_spki_pem().unwrap().as_bytes(), file("public.pem"));
        let again = PublicKey::from_numbers(&key.modulus_bytes(), &key.exponent().to_be_bytes());
        assert_eq!(again.unwrap(), key);
    }
}

#[test]
fn line_ends_text_around_and_a_missing_last_newline_do_not_matter() {
    let shapes: [fn(&str) -> String; 7] = [
        |text| text.replace('\n', "\r\n"),
        |text| text.replace('\n', "\r"),
        |text| text.trim_end().to_owned(),
        |text| text.replace('\n', "\r\n").trim_end().to_owned(),
        |text| format!("Bag Attributes\n    localKeyID: 01\n{text}"),
        |text| format!("\u{feff}\n  {text}\n-----BEGIN NOTHING-----\n"),
        |text| format!("{}{text}{}", self::text("certificate.pem"), self::text("ec.pem")),
    ];
    for shape in shapes {
        for name in ["pkcs8.pem", "pkcs1.pem"] {
            let key = PrivateKey::import(shape(&text(name)).as_bytes());
            assert_eq!(key.unwrap().public_key(), known(), "{name}: {}", shape("TEXT"));
        }
        let key = PrivateKey::import_encrypted(shape(&text("encrypted.pem")).as_bytes(), b"open");
        assert_eq!(key.unwrap().public_key(), known());
        for name in ["public.pem", "pkcs1.public.pem"] {
            let key = PublicKey::import(shape(&text(name)).as_bytes());
            assert_eq!(key.unwrap(), known(), "{name}");
        }
    }
    // A text that is not UTF-8 around it, as a friendly name may be.
    for name in ["pkcs8.pem", "pkcs1.pem"] {
        let text = [&b"friendlyName: Schl\xfcssel\n"[..], &file(name), b"\xff\xfe"].concat();
        assert_eq!(PrivateKey::import(&text).unwrap().public_key(), known());
    }
    // From each file the half that is asked for.
    let both = [file("public.pem"), file("pkcs1.pem")].concat();
    assert_eq!(PublicKey::import(&both).unwrap(), known());
    assert_eq!(PrivateKey::import(&both).unwrap().public_key(), known());
}

#[test]
fn an_encrypted_key_asks_for_its_passphrase_and_refuses_another() {
    for name in ENCRYPTED {
        assert!(matches!(PrivateKey::import(&file(name)), Err(Error::KeyEncrypted)), "{name}");
        for wrong in [&b""[..], b"Open", b"open ", b"open\n", &[0xff; 1000]] {
            let result = PrivateKey::import_encrypted(&file(name), wrong);
            assert!(matches!(result, Err(Error::KeyPassphrase)), "{name}");
        }
    }
}

#[test]
fn a_private_key_that_breaks_a_rule_is_refused_by_a_sentence_that_names_the_rule() {
    for (name, words) in [
        ("rsa1024.pem", "its modulus is not of 2048 bits"),
        ("rsa3072.pem", "its modulus is not of 2048 bits"),
        ("rsa4096.pem", "its modulus is not of 2048 bits"),
        ("multi.pem", "more than two primes"),
        (
            "pss.pem",
            "its algorithm is not rsaEncryption (keys restricted to RSASSA-PSS cannot encrypt",
        ),
        ("ec.pem", "its algorithm is not rsaEncryption"),
        ("ed25519.pem", "its algorithm is not rsaEncryption"),
        ("openssh.pem", "pass an RSA key of 2048 bits in one of these forms"),
        ("public.pem", "it is a public key, where the private key is needed"),
        ("public.der", "it is a public key, where the private key is needed"),
        ("pkcs1.public.pem", "it is a public key, where the private key is needed"),
        ("pkcs1.public.der", "it is a public key, where the private key is needed"),
        ("certificate.pem", "it is a certificate"),
        ("public.jwk", "it is not a private key"),
    ] {
        for result in
            [PrivateKey::import(&file(name)), PrivateKey::import_encrypted(&file(name), b"open")]
        {
            let reason = reason(result);
            assert!(reason.contains(words), "{name}: {reason}");
        }
    }
    for (name, words) in [
        ("traditional.pem", "write it anew with: openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        ("des3.pem", "write it anew with: openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        ("pbes1.pem", "write it anew with: openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        ("sha1.pem", "write it anew with: openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        ("slow.pem", "would take too long or too much memory"),
    ] {
        let started = Instant::now();
        let reason = reason(PrivateKey::import_encrypted(&file(name), b"open"));
        assert!(reason.contains(words), "{name}: {reason}");
        assert!(started.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[test]
fn a_public_key_that_breaks_a_rule_is_refused_by_a_sentence_that_names_the_rule() {
    for name in PLAIN[..4].iter().chain(&ENCRYPTED) {
        let reason = reason(PublicKey::import(&file(name)));
        assert!(
            reason.contains("it is a private key, where the public key is needed"),
            "{name}: {reason}"
        );
    }
    assert!(reason(PublicKey::import(&file("certificate.pem"))).contains("it is a certificate"));
    assert!(reason(PublicKey::import(&file("openssh.pem"))).contains("one of these forms"));
    assert!(reason(PublicKey::import(b"")).contains("SubjectPublicKeyInfo"));
    for (bytes, words) in [
        (&[0xff; 128][..], "2048 bits"),
        (&[0xff; 384], "2048 bits"),
        (&[0xff; 512], "2048 bits"),
        (&[], "2048 bits"),
        (&[0xfe; 256], "its modulus is even"),
    ] {
        let reason = reason(PublicKey::from_numbers(bytes, &[1, 0, 1]));
        assert!(reason.contains(words), "{reason}");
    }
    for exponent in [&[][..], &[0], &[1], &[1, 0, 0], &[1, 0, 0, 0, 1], &[0xff; 300]] {
        let reason = reason(PublicKey::from_numbers(&[0xff; 256], exponent));
        assert!(reason.contains("odd number in 3..2^32"), "{exponent:?}: {reason}");
    }
    let padded = [&[0, 0], &known().modulus_bytes()[..]].concat();
    assert_eq!(PublicKey::from_numbers(&padded, &[0, 1, 0, 1]).unwrap(), known());
}

/// The DER of an element of up to 64 KiB.
fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = content.len().to_be_bytes();
    let length = match content.len() {
        0..0x80 => length[7..].to_vec(),
        0x80..0x100 => [&[0x81], &length[7..]].concat(),
        _ => [&[0x82], &length[6..]].concat(),
    };
    [&[tag][..], &length, &content].concat()
}

fn number(number: u64) -> Vec<u8> {
    let bytes = [&[0][..], &number.to_be_bytes()].concat();
    let zeros = bytes.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
    element(2, &[&bytes[zeros..]])
}

const PBKDF2: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const HMAC_SHA_256: [u8; 12] = [6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9, 5, 0];
const SCRYPT: [u8; 11] = [6, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11];
const PBES2: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const AES_256_CBC: [u8; 11] = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];

/// A file that is encrypted under a key of this derivation.
fn encrypted_with(derivation: &[u8], numbers: &[u64], last: &[u8]) -> Vec<u8> {
    let mut parameters = element(4, &[&[5; 16]]);
    parameters.extend(numbers.iter().flat_map(|value| number(*value)));
    parameters.extend_from_slice(last);
    let derivation = element(0x30, &[derivation, &element(0x30, &[&parameters])]);
    let cipher = element(0x30, &[&AES_256_CBC, &element(4, &[&[7; 16]])]);
    let scheme = element(0x30, &[&PBES2, &element(0x30, &[&derivation, &cipher])]);
    element(0x30, &[&scheme, &element(4, &[&[9; 64]])])
}

/// Costs that are tried, and higher ones, which are refused before anything is computed.
#[test]
fn a_hostile_file_neither_hangs_nor_takes_the_memory() {
    let scrypt = |cost, blocks, lanes| encrypted_with(&SCRYPT, &[cost, blocks, lanes], &[]);
    let hash = element(0x30, &[&HMAC_SHA_256]);
    let pbkdf2 = |rounds| encrypted_with(&PBKDF2, &[rounds], &hash);
    let read = |der: &[u8]| PrivateKey::import_encrypted(der, b"open");
    for tried in
        [scrypt(2, 1, 1), scrypt(1 << 10, 8, 4), scrypt(1 << 14, 8, 1), pbkdf2(1), pbkdf2(2048)]
    {
        assert!(matches!(PrivateKey::import(&tried), Err(Error::KeyEncrypted)));
        assert!(matches!(read(&tried), Err(Error::KeyPassphrase)));
    }
    let started = Instant::now();
    for refused in [
        scrypt(1 << 18, 8, 2),
        scrypt(1 << 20, 8, 1),
        scrypt(1 << 11, 1025, 1),
        scrypt(1 << 40, 8, 1),
        scrypt(1 << 63, 8, 1),
        scrypt(2, u64::from(u16::MAX), u64::from(u16::MAX)),
        scrypt(1 << 60, u64::from(u16::MAX), u64::from(u16::MAX)),
        pbkdf2(10_000_001),
        pbkdf2(u64::from(u32::MAX)),
    ] {
        let reason = reason(read(&refused));
        assert!(reason.contains("would take too long or too much memory"), "{reason}");
    }
    // Numbers that a derivation does not have.
    for impossible in [
        scrypt(0, 8, 1),
        scrypt(1, 8, 1),
        scrypt(3, 8, 1),
        scrypt(2, 0, 1),
        scrypt(2, 1, 0),
        pbkdf2(0),
    ] {
        let reason = reason(read(&impossible));
        assert!(reason.contains("numbers that do not exist"), "{reason}");
    }
    for unread in [scrypt(2, 1 << 16, 1), scrypt(2, 1, 1 << 16), pbkdf2(1 << 32)] {
        reason(read(&unread));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// Files that an attacker made, or a disk damaged.
#[test]
fn a_damaged_file_is_refused_and_never_takes_long() {
    let mut refused = 0;
    for name in ["pkcs8.pem", "pkcs8.der", "pkcs1.pem", "pkcs1.der", "encrypted.der"] {
        let whole = file(name);
        for at in (0..whole.len()).step_by(61) {
            let mut changed = whole.clone();
            changed[at] ^= 4;
            let started = Instant::now();
            // Some fields are not the key's: what is read is the key, whole.
            match PrivateKey::import_encrypted(&changed, b"open") {
                Ok(key) => assert_eq!(key.public_key(), known()),
                Err(Error::Key { .. } | Error::KeyPassphrase) => refused += 1,
                Err(error) => panic!("{name} at {at}: {error:?}"),
            }
            let cut = PrivateKey::import_encrypted(&whole[..at], b"open");
            assert!(cut.is_err(), "{name} cut at {at}");
            assert!(started.elapsed() < Duration::from_secs(20), "{name} at {at}");
        }
    }
    assert!(refused > 60, "{refused}");
    for junk in [
        &b""[..],
        b"-----BEGIN ",
        b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        &[0x30; 5000],
    ] {
        reason(PrivateKey::import(junk));
        reason(PrivateKey::import_encrypted(junk, b"open"));
        reason(PublicKey::import(junk));
    }
}

#[test]
fn no_error_says_anything_of_passphrase_or_key() {
    let errors = [
        PrivateKey::import_encrypted(&file("encrypted.pem"), b"correct horse").unwrap_err(),
        PrivateKey::import(&file("encrypted.pem")).unwrap_err(),
        PrivateKey::import(&file("pkcs8.pem")[..900]).unwrap_err(),
    ];
    let texts = format!("{errors:?} {} {} {}", errors[0], errors[1], errors[2]);
    assert!(!texts.contains("correct horse"));
    let pem = text("pkcs8.pem");
    for line in pem.lines().filter(|line| !line.starts_with('-')) {
        assert!(!texts.contains(&line[..16]));
    }
}
