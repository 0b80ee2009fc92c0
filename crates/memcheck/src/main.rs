//! Secrets that Valgrind's memcheck takes for memory nobody has written: it complains wherever a branch or an address
//! depends on one (A. Langley's ctgrind).
//!
//! ```text
//! mark the key's numbers and the encoded messages undefined
//! compute
//! count memcheck's complaints: none, but where a control does what must not be
//! ```
//!
//! The portable kernels alone: the others are assembly-like code of instructions that Valgrind does not know. Where the
//! engine tells its caller something of a secret on purpose (accepted or not, the length of what was accepted), it says
//! so by `secret::reveal`, and the mark is taken away there.
//!
//! `scripts/valgrind` builds and runs it.

mod valgrind;

use std::hint::black_box;
use std::process::ExitCode;

use strongroom::fuzzing;
use strongroom::gcm::Aes256Gcm;
use strongroom::rsa::{MESSAGE_MAX, MODULUS_LEN, PrivateKey};
use strongroom::secret::{Expected, Secret};
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The complaints that there must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Complaints {
    None,
    Some,
}

/// These bytes as a secret, where the compiler knows nothing of them any more and has to read them anew.
fn marked<T: AsRef<[u8]>>(bytes: T) -> Box<T> {
    let bytes = black_box(Box::new(bytes));
    valgrind::mark_secret((*bytes).as_ref());
    black_box(bytes)
}

/// Runs `work`, which returns how many cases it went through, and prints what memcheck said of it; if that was right.
fn check(name: &str, expected: Complaints, work: impl FnOnce() -> Result<usize>) -> Result<bool> {
    let before = valgrind::complaints();
    let cases = work()?;
    let complaints = valgrind::complaints() - before;
    let right = (complaints == 0) == (expected == Complaints::None) && cases > 0;
    let verdict = match (right, expected) {
        (true, Complaints::None) => "as it must be",
        (true, Complaints::Some) => "seen, as it must be",
        (false, Complaints::None) => "FAILED: something depends on a secret",
        (false, Complaints::Some) => "FAILED: the control is not seen",
    };
    println!("{name}: {cases} cases, {complaints} complaints: {verdict}");
    Ok(right)
}

/// A key whose numbers are secret from here on.
fn marked_key() -> Result<PrivateKey> {
    let key = PrivateKey::generate()?;
    fuzzing::each_secret_of(&key, valgrind::mark_secret);
    Ok(black_box(key))
}

/// Private operations of that key: on what was encrypted for it, at several lengths, and on what was not.
fn decrypts(key: &PrivateKey, ciphertexts: &[[u8; MODULUS_LEN]]) -> usize {
    ciphertexts.iter().filter(|ciphertext| key.decrypt_oaep_256(&ciphertext[..]).is_ok()).count()
}

fn ciphertexts(key: &PrivateKey) -> Result<Vec<[u8; MODULUS_LEN]>> {
    let lengths = [0, 1, 40, MESSAGE_MAX];
    let mut all: Vec<_> = lengths
        .iter()
        .map(|length| key.public_key().encrypt_oaep_256(&vec![7; *length]))
        .collect::<std::result::Result<_, _>>()?;
    all.extend([[0; MODULUS_LEN], [1; MODULUS_LEN]]);
    Ok(all)
}

/// Encoded messages, right ones and ones that are wrong in each way.
fn encoded() -> Result<Vec<[u8; MODULUS_LEN]>> {
    let mut all = Vec::new();
    for length in [0, 1, 40, MESSAGE_MAX] {
        let mut right = [0; MODULUS_LEN];
        fuzzing::encode_oaep(&vec![7; length], &[9; 32], &mut right)?;
        all.push(right);
        for place in [0, 1, 40, 80, MODULUS_LEN - 1] {
            let mut wrong = right;
            wrong[place] ^= 0x55;
            all.push(wrong);
        }
    }
    Ok(all)
}

fn private_operation() -> Result<usize> {
    let key = marked_key()?;
    let ciphertexts = ciphertexts(&key)?;
    let opened = decrypts(&key, &ciphertexts);
    if opened != 4 {
        return Err(format!("{opened} of 4 ciphertexts open").into());
    }
    Ok(ciphertexts.len())
}

fn decoder() -> Result<usize> {
    let mut accepted = 0;
    let all = encoded()?;
    for message in &all {
        let mut message = marked(*message);
        accepted += usize::from(fuzzing::decode_oaep(&mut message, None).is_ok());
    }
    if accepted != 4 {
        return Err(format!("{accepted} of 4 messages are accepted").into());
    }
    Ok(all.len())
}

/// The same of messages whose form is known before.
fn decoder_of_a_form() -> Result<usize> {
    let mut accepted = 0;
    let all = encoded()?;
    let expected = Expected::new(&[7; 8], 40);
    for message in &all {
        let mut message = marked(*message);
        accepted += usize::from(fuzzing::decode_oaep(&mut message, Some(expected)).is_ok());
    }
    if accepted != 1 {
        return Err(format!("{accepted} messages of that form are accepted").into());
    }
    Ok(all.len())
}

/// The oracle of Manger's attack: decodes only what begins with a zero.
fn leaking_decoder() -> Result<usize> {
    let all = encoded()?;
    for message in &all {
        let mut message = marked(*message);
        if message[0] == 0 {
            drop(black_box(fuzzing::decode_oaep(&mut message, None)));
        }
    }
    Ok(all.len())
}

/// Entries of a table at secret places.
fn leaking_table() -> Result<usize> {
    let (table, places) = (black_box(vec![3_u8; 256]), marked([5_u8; 32]));
    for place in *places {
        black_box(table.get(usize::from(place)).copied());
    }
    Ok(places.len())
}

fn gcm() -> Result<usize> {
    let (key, nonce) = (marked([8; 32]), [1; 12]);
    let cipher = Aes256Gcm::new(&*key);
    let mut cases = 0;
    for length in [0, 1, 16, 100, 5000] {
        let mut text = *marked(vec![2; length]);
        let mut tag = cipher.seal_in_place(&nonce, b"associated", &mut text)?;
        // What is sealed is public.
        valgrind::mark_public(&text);
        valgrind::mark_public(&tag);
        let sealed = text.clone();
        cipher.open_in_place(&nonce, b"associated", &mut text, &tag)?;
        tag[length % 16] ^= 1;
        text.copy_from_slice(&sealed);
        if cipher.open_in_place(&nonce, b"associated", &mut text, &tag).is_ok() {
            return Err("a wrong tag holds".into());
        }
        cases += 3;
    }
    Ok(cases)
}

fn key_wrap() -> Result<usize> {
    let secret = marked([8; 32]);
    let key = || Secret::copy_from(&secret);
    let wrapping = WrappingKey::aes(KeyId::new("memcheck")?, key());
    let unwrapping = UnwrappingKey::aes(KeyId::new("memcheck")?, key());
    let payload = marked([4; 40]);
    let mut wrapped = wrapping.wrap(&*payload)?;
    valgrind::mark_public(&wrapped);
    drop(unwrapping.unwrap(&wrapped)?);
    wrapped[0] ^= 1;
    if unwrapping.unwrap(&wrapped).is_ok() {
        return Err("a changed key is unwrapped".into());
    }
    Ok(3)
}

fn run() -> Result<bool> {
    if !valgrind::is_there() {
        return Err("not under Valgrind, which alone sees anything: run scripts/valgrind".into());
    }
    let mut right = true;
    // Before anything is told to be public, the bit at the end of an operation is not: the marks go all the way.
    right &= check("control, the private operation's own answer", Complaints::Some, || {
        let key = marked_key()?;
        let ciphertext = key.public_key().encrypt_oaep_256(b"a data key")?;
        drop(black_box(key.decrypt_oaep_256(&ciphertext)));
        Ok(1)
    })?;
    right &= check("control, a tag's answer", Complaints::Some, gcm)?;
    right &= check(
        "control, a decoder that looks at the first byte",
        Complaints::Some,
        leaking_decoder,
    )?;
    right &=
        check("control, a table that is read at secret places", Complaints::Some, leaking_table)?;
    fuzzing::on_reveal(|value| valgrind::mark_public(std::slice::from_ref(value)));
    right &= check("private operation of RSA", Complaints::None, private_operation)?;
    right &= check("decoder of OAEP", Complaints::None, decoder)?;
    right &= check("decoder of OAEP, of a known form", Complaints::None, decoder_of_a_form)?;
    right &= check("AES-256-GCM and the comparison of tags", Complaints::None, gcm)?;
    right &= check("AES key wrap", Complaints::None, key_wrap)?;
    Ok(right)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
