//! RSA keys in files that other programs wrote.

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use strongroom::rsa::PrivateKey;
use strongroom::secret::SecretVec;

use super::error::LocalVaultError;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The most rounds of PBKDF2 that a file may ask for: some seconds.
const MOST_ROUNDS: u32 = 10_000_000;

const OLD_ALGORITHM: &str = "it is encrypted with an old algorithm; write it anew with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in \
    OLD -out NEW";

/// The most memory that a file may ask of scrypt, in bytes.
const MOST_MEMORY: u64 = 1 << 30;

/// Reads an RSA-2048 key for [`LocalVault::import_rsa`](super::LocalVault::import_rsa) from the contents of a file:
/// PKCS#8 (RFC 5958), also encrypted with a passphrase (PBES2 with AES), or PKCS#1 (RFC 8017), each in PEM or DER.
///
/// # Errors
///
/// [`LocalVaultError::KeyFile`] where it is not such a key, with the next step; [`LocalVaultError::KeyFileEncrypted`] where
/// it takes a `passphrase`, and [`LocalVaultError::KeyFilePassphrase`] where it is another one.
///
/// # Security
///
/// The caller wipes `contents`; what is decoded of it is wiped here. What decrypting may cost is bounded.
///
/// # Example
///
/// ```
/// use strongroom::rsa::PrivateKey;
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{KeyOptions, read_rsa_key};
///
/// # let directory = tempfile::tempdir()?;
/// let file = PrivateKey::generate()?.to_pkcs8_pem()?; // by OpenSSL, for instance
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.import_rsa("invoices", read_rsa_key(file.expose(), None)?, KeyOptions::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_rsa_key(
    contents: &[u8],
    passphrase: Option<&SecretVec>,
) -> Result<PrivateKey, LocalVaultError> {
    let text = std::str::from_utf8(contents).ok().filter(|text| text.contains("-----BEGIN "));
    let Some(text) = text else { return read_der(contents, passphrase) };
    if text.contains("Proc-Type:") {
        return Err(refuse(
            "it is encrypted in the old way of PEM; write it anew with: openssl pkcs8 -topk8 -in OLD -out NEW",
        ));
    }
    let decoded = SecretDocument::from_pem(text.trim());
    let (label, der) =
        decoded.map_err(|_| refuse("its PEM cannot be read; give the file as it was made"))?;
    match label {
        "ENCRYPTED PRIVATE KEY"
            if EncryptedPrivateKeyInfoRef::try_from(der.as_bytes()).is_err() =>
        {
            Err(refuse(OLD_ALGORITHM))
        }
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
            read_der(der.as_bytes(), passphrase)
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => {
            Err(refuse("it is the public half; give the file with the private key"))
        }
        other => Err(refuse(&format!(
            "it is a {other:?} in PEM; write the key as PKCS#8 with: openssl pkcs8 -topk8 -in OLD -out NEW"
        ))),
    }
}

/// The structure says which of the three it is.
fn read_der(der: &[u8], passphrase: Option<&SecretVec>) -> Result<PrivateKey, LocalVaultError> {
    if let Ok(encrypted) = EncryptedPrivateKeyInfoRef::try_from(der) {
        let passphrase = passphrase.ok_or(LocalVaultError::KeyFileEncrypted)?;
        return read_pkcs8(decrypt(&encrypted, passphrase)?.as_bytes());
    }
    if PrivateKeyInfoRef::try_from(der).is_ok() {
        return read_pkcs8(der);
    }
    // PKCS#1 is what PKCS#8 has inside.
    let algorithm = AlgorithmIdentifierRef {
        oid: RSA_ENCRYPTION,
        parameters: Some(pkcs8::der::asn1::AnyRef::NULL),
    };
    let wrapped = OctetStringRef::new(der)
        .and_then(|key| SecretDocument::encode_msg(&PrivateKeyInfoRef::new(algorithm, key)));
    let wrapped = wrapped.map_err(|_| refuse("it is too long; give the file with the key"))?;
    read_pkcs8(wrapped.as_bytes())
}

fn read_pkcs8(der: &[u8]) -> Result<PrivateKey, LocalVaultError> {
    PrivateKey::from_pkcs8_der(der).map_err(|error| match error {
        strongroom::Error::Random => LocalVaultError::Random,
        error => refuse(&error.to_string()),
    })
}

fn decrypt(
    encrypted: &EncryptedPrivateKeyInfoRef<'_>,
    passphrase: &SecretVec,
) -> Result<SecretDocument, LocalVaultError> {
    use pkcs8::pkcs5::Error::{NoPbes1CryptSupport, UnsupportedAlgorithm};
    // The file may be a hostile one.
    let is_bounded = match &encrypted.encryption_algorithm {
        EncryptionScheme::Pbes2(parameters) => match &parameters.kdf {
            Kdf::Pbkdf2(parameters) => parameters.iteration_count <= MOST_ROUNDS,
            Kdf::Scrypt(parameters) => {
                let (blocks, lanes) = (parameters.block_size, parameters.parallelization);
                let size = u64::from(blocks).saturating_mul(u64::from(lanes)).saturating_mul(128);
                parameters.cost_parameter.saturating_mul(size) <= MOST_MEMORY
            }
            _ => true,
        },
        _ => true,
    };
    if !is_bounded {
        return Err(refuse(
            "to try its passphrase would take too long; write it anew with: openssl pkcs8 -topk8 -in OLD -out NEW",
        ));
    }
    encrypted.decrypt(passphrase.expose()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(NoPbes1CryptSupport | UnsupportedAlgorithm { .. }) => {
            refuse(OLD_ALGORITHM)
        }
        _ => LocalVaultError::KeyFilePassphrase,
    })
}

fn refuse(reason: &str) -> LocalVaultError {
    LocalVaultError::KeyFile { reason: reason.to_owned() }
}
