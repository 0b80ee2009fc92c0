//! The vault's JSON files: parsed strictly, bounded, and each with a check over all the rest of it.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::error::LocalVaultError;
use super::files;
use super::keyring::Keyring;

/// A JSON file of the vault.
pub(super) trait Document: Serialize + DeserializeOwned {
    /// No such file is longer, in bytes.
    const LONGEST: u64;

    /// The check, in lower-case hexadecimal digits.
    fn check(&mut self) -> &mut Option<String>;
}

/// `document` as a file's contents, with its check. `label` says which file of which vault it is.
///
/// # Errors
///
/// [`LocalVaultError::Io`] where it cannot be written as JSON.
pub(super) fn encode(
    keyring: &Keyring,
    label: &str,
    document: &mut impl Document,
) -> Result<Vec<u8>, LocalVaultError> {
    let check = check_of(keyring, label, document)?;
    *document.check() = Some(check);
    Ok(std::mem::take(&mut *json(label, document)?))
}

/// The document in the file `path`, once its check holds; `None` where the file does not exist.
///
/// # Errors
///
/// [`LocalVaultError::Damaged`] where it is not such a document, or its check does not hold;
/// [`LocalVaultError::Exposed`], [`LocalVaultError::Io`].
pub(super) fn read<D: Document>(
    keyring: &Keyring,
    label: &str,
    path: &Path,
) -> Result<Option<D>, LocalVaultError> {
    let Some(text) = files::read_private(path, D::LONGEST)? else { return Ok(None) };
    let damaged = |reason| LocalVaultError::Damaged { path: path.to_owned(), reason };
    let mut document: D =
        serde_json::from_str(&text).map_err(|_| damaged("it is not the vault's JSON"))?;
    if !holds(keyring, label, &mut document)? {
        return Err(damaged("it was changed by something other than the vault"));
    }
    Ok(Some(document))
}

/// True where the document's check holds.
///
/// # Errors
///
/// [`LocalVaultError::Io`] where it cannot be written as JSON.
pub(super) fn holds(
    keyring: &Keyring,
    label: &str,
    document: &mut impl Document,
) -> Result<bool, LocalVaultError> {
    let Some(found) = document.check().take() else { return Ok(false) };
    let wanted = check_of(keyring, label, document)?;
    let holds = found.as_bytes().ct_eq(wanted.as_bytes()).into();
    *document.check() = Some(found);
    Ok(holds)
}

/// The check is over the document without it, as this crate writes it.
fn check_of(
    keyring: &Keyring,
    label: &str,
    document: &mut impl Document,
) -> Result<String, LocalVaultError> {
    *document.check() = None;
    let check = keyring.check(label, &json(label, document)?);
    Ok(base16ct::lower::encode_string(check.expose()))
}

/// A backup has keys in it: wiped when it is dropped, and allocated once at its final size, because a vector
/// that grows leaves copies behind.
fn json(label: &str, document: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, LocalVaultError> {
    let failed =
        |error: serde_json::Error| LocalVaultError::io("write", Path::new(label))(error.into());
    let mut length = Length(0);
    serde_json::to_writer(&mut length, document).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *bytes, document).map_err(failed)?;
    Ok(bytes)
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
