//! PEM in and out (RFC 7468), with a next step for each kind of file that is none of ours.

use alloc::format;
use alloc::string::String;

use pkcs8::der::pem;

use super::rules::refuse;
use crate::error::Error;
use crate::secret::SecretVec;

pub(super) const PRIVATE: &str = "PRIVATE KEY";
pub(super) const PUBLIC: &str = "PUBLIC KEY";

const NOT_PEM: &str = "it is not PEM text; pass the whole file, from the line -----BEGIN to the line \
    -----END, unchanged";
/// Labels of the forms of a private key, and of a public one, that are imported.
pub(super) const PRIVATE_FORMS: &[&str] = &[PRIVATE, PKCS1_PRIVATE, ENCRYPTED];
pub(super) const PUBLIC_FORMS: &[&str] = &[PUBLIC, PKCS1_PUBLIC];

const PKCS1_PRIVATE: &str = "RSA PRIVATE KEY";
const PKCS1_PUBLIC: &str = "RSA PUBLIC KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

const OTHER_LABEL: &str = "it is neither a PKCS#8 private key (BEGIN PRIVATE KEY) nor a public key \
    (BEGIN PUBLIC KEY); pass an RSA key of 2048 bits in one of these forms";
pub(super) const IS_PUBLIC: &str = "it is a public key, where the private key is needed; pass the file that says BEGIN PRIVATE KEY";
pub(super) const IS_PRIVATE: &str = "it is a private key, where the public key is needed; pass the \
    file that says BEGIN PUBLIC KEY, and keep the private one to yourself";
const IS_ENCRYPTED: &str = "it is encrypted with a passphrase; decrypt it first, for example with \
    `openssl pkcs8 -in key.pem -out plain.pem`";
pub(super) const OLD_ENCRYPTION: &str = "it is encrypted in an old way; write it anew with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in \
    OLD -out NEW";
const IS_PKCS1_PRIVATE: &str = "it is a private key in PKCS#1 form; convert it to PKCS#8 first, for \
    example with `openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem`";
const IS_PKCS1_PUBLIC: &str = "it is a public key in PKCS#1 form; convert it first, for example with \
    `openssl rsa -RSAPublicKey_in -in key.pem -pubout -out public.pem`";
const IS_CERTIFICATE: &str = "it is a certificate; take its public key out first, for example with \
    `openssl x509 -in certificate.pem -pubkey -noout`";

/// True where PEM begins somewhere in `text`.
pub(super) fn is_begun(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Decodes the first part of `texts` whose label is one of `wanted`, and hands the DER in it to `read`. The DER is wiped
/// after that.
pub(super) fn decode<'t, T>(
    texts: impl Iterator<Item = &'t str> + Clone,
    wanted: &[&str],
    read: impl FnOnce(&[u8]) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut blocks = texts.clone().flat_map(Blocks);
    let block = blocks.find(|block| wanted.contains(&block.label));
    let block = block.or_else(|| texts.flat_map(Blocks).next());
    let Block { label, body } = block.ok_or_else(|| refuse(NOT_PEM))?;
    if !wanted.contains(&label) {
        let is_private_wanted = wanted.contains(&PRIVATE);
        return Err(refuse(match label {
            // The right kind comes before the right form.
            PUBLIC | PKCS1_PUBLIC if is_private_wanted => IS_PUBLIC,
            PRIVATE | PKCS1_PRIVATE | ENCRYPTED if !is_private_wanted => IS_PRIVATE,
            PKCS1_PUBLIC => IS_PKCS1_PUBLIC,
            PKCS1_PRIVATE => IS_PKCS1_PRIVATE,
            ENCRYPTED => IS_ENCRYPTED,
            "CERTIFICATE" => IS_CERTIFICATE,
            _ => OTHER_LABEL,
        }));
    }
    // RFC 1421: the encryption of PEM itself.
    if body.contains("Proc-Type:") {
        return Err(refuse(OLD_ENCRYPTION));
    }
    let text = strict(label, body).ok_or_else(|| refuse(NOT_PEM))?;
    // Base64 is always longer than what it stands for.
    let mut der = SecretVec::zeroed(text.expose().len());
    let (_, der) = pem::decode(text.expose(), der.expose_mut()).map_err(|_| refuse(NOT_PEM))?;
    read(der)
}

const BEGIN: &str = "-----BEGIN ";

/// Content between a line -----BEGIN and its line -----END.
struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

/// The blocks of a text, whatever stands around them: OpenSSL writes a key's properties there.
struct Blocks<'a>(&'a str);

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let at_line_start = |at: &usize| {
            let before = self.0[..*at].trim_end_matches([' ', '\t']);
            before.is_empty() || before.ends_with(['\n', '\r'])
        };
        let at = self.0.match_indices(BEGIN).map(|(at, _)| at).find(at_line_start)?;
        let (label, rest) = self.0[at..].strip_prefix(BEGIN)?.split_once("-----")?;
        let (body, rest) = rest.split_once(format!("-----END {label}-----").as_str())?;
        self.0 = rest;
        Some(Block { label, body })
    }
}

/// A block as RFC 7468 wants it: lines of 64 characters, none of them a space or another line's end, which
/// OpenSSL leaves out.
fn strict(label: &str, body: &str) -> Option<SecretVec> {
    const LINE: usize = 64;

    let characters = || body.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let length = characters().count();
    let (begin, end) = (format!("-----BEGIN {label}-----\n"), format!("-----END {label}-----\n"));
    let lines = length.div_ceil(LINE);
    let mut text = SecretVec::zeroed(begin.len() + length + lines + end.len());
    let mut room = text.expose_mut().iter_mut();
    let mut put = |byte| room.next().map(|place| *place = byte);
    begin.bytes().try_for_each(&mut put)?;
    for (number, byte) in characters().enumerate() {
        put(byte)?;
        if (number + 1) % LINE == 0 || number + 1 == length {
            put(b'\n')?;
        }
    }
    end.bytes().try_for_each(&mut put)?;
    Some(text)
}

/// `der` as PEM text with line feeds, ending in one.
pub(super) fn encode(label: &str, der: &[u8]) -> Result<String, Error> {
    pem::encode_string(label, pem::LineEnding::LF, der).map_err(|_| refuse(NOT_PEM))
}
