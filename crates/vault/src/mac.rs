//! HMAC-SHA-256 (FIPS 198-1, RFC 2104), which authenticates states, trails and vaults.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use strongroom::secret::Secret;
use zeroize::Zeroizing;

/// Length of a block of SHA-256 in bytes.
const BLOCK_LEN: usize = 64;

/// The HMAC of `parts`, one after the other, under `key`. It is a [`Secret`] so that it is compared in
/// constant time, and may be a key itself.
///
/// # Security
///
/// Parts are not separated: where one of them has a variable length, the caller begins with a label of its own
/// and says where that part ends.
///
/// # Example
///
/// ```
/// use strongroom::secret::Secret;
/// use strongroom_vault::mac::hmac_sha256;
///
/// let key = Secret::copy_from(&[7; 32]);
/// let mac = hmac_sha256(&key, &[b"label\0", b"message"]);
/// assert!(mac == hmac_sha256(&key, &[b"label\0message"]));
/// assert!(mac != hmac_sha256(&key, &[b"label\0massage"]));
/// ```
#[must_use]
pub fn hmac_sha256(key: &Secret<32>, parts: &[&[u8]]) -> Secret<32> {
    // A key shorter than a block is filled up with zeros; a whole block is a length that is not refused.
    let mut block = Zeroizing::new([0; BLOCK_LEN]);
    let (start, _) = block.split_at_mut(key.expose().len());
    start.copy_from_slice(key.expose());
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(&mac.finalize().into_bytes());
    Secret::copy_from(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231, whose key `Jefe` is filled up with zeros.
    #[test]
    fn a_published_answer() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = hmac_sha256(&Secret::copy_from(&key), &[b"what do ya want ", b"for nothing?"]);
        let wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(crate::hex::encode(mac.expose()), wanted);
    }
}
