//! Encrypted PKCS#8: PBES2 (RFC 8018 section 6.2), by the crate `pkcs5`. Bounds on what trying a passphrase may cost, for
//! the file names that, and may be a hostile one.

use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};

use super::pem;
use super::rules::refuse;
use crate::error::Error;

/// The most rounds of PBKDF2 that a file may ask for: some seconds.
const MOST_ROUNDS: u32 = 10_000_000;

/// The most memory that a file may ask of scrypt, in bytes: the time grows with it. (OpenSSL asks for 16 MiB, and by default
/// takes 32 MiB at most.)
const MOST_MEMORY: u64 = 256 << 20;

const IMPOSSIBLE: &str =
    "its encryption has numbers that do not exist, so it is damaged; use another copy of it";
const TOO_MUCH: &str = "to try its passphrase would take too long or too much memory; write it anew with: \
    openssl pkcs8 -topk8 -in OLD -out NEW";

/// The `PrivateKeyInfo` in `der`, an `EncryptedPrivateKeyInfo`.
///
/// # Errors
///
/// [`Error::KeyPassphrase`] for another passphrase; [`Error::Key`] for another encryption, and beyond the bounds.
pub(super) fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<SecretDocument, Error> {
    use pkcs8::pkcs5::Error::{NoPbes1CryptSupport, UnsupportedAlgorithm};
    let info =
        EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| refuse(pem::OLD_ENCRYPTION))?;
    check_cost(&info.encryption_algorithm)?;
    info.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(NoPbes1CryptSupport | UnsupportedAlgorithm { .. }) => {
            refuse(pem::OLD_ENCRYPTION)
        }
        _ => Error::KeyPassphrase,
    })
}

/// Refuses what costs too much, and numbers that a derivation does not have: `pkcs5` panics on a cost of 0.
fn check_cost(scheme: &EncryptionScheme) -> Result<(), Error> {
    let EncryptionScheme::Pbes2(parameters) = scheme else { return Ok(()) };
    let (is_possible, is_bounded) = match &parameters.kdf {
        Kdf::Pbkdf2(parameters) => {
            let rounds = parameters.iteration_count;
            (rounds > 0, rounds <= MOST_ROUNDS)
        }
        Kdf::Scrypt(parameters) => {
            let cost = parameters.cost_parameter;
            let (blocks, lanes) = (parameters.block_size, parameters.parallelization);
            let size = u64::from(blocks).saturating_mul(u64::from(lanes)).saturating_mul(128);
            let is_possible = cost > 1 && cost.is_power_of_two() && size > 0;
            (is_possible, cost.saturating_mul(size) <= MOST_MEMORY)
        }
        _ => (true, true),
    };
    match (is_possible, is_bounded) {
        (false, _) => Err(refuse(IMPOSSIBLE)),
        (true, false) => Err(refuse(TOO_MUCH)),
        (true, true) => Ok(()),
    }
}
