//! Files with a passphrase, which are never among the files of what they protect.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use strongroom::secret::SecretVec;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::output::parent;
use crate::platform;
use crate::stores;

/// The longest passphrase, in bytes; longer files are something else.
const LONGEST: u64 = 4_096;

/// The first line of the file at `path`, which is not one of the files of `stores`, vaults or homes that the command is
/// about, nor of any other.
///
/// # Errors
///
/// [`Failure::Read`] when it cannot be read, [`Failure::PassphraseInStore`] where it is among the keys,
/// [`Failure::Usage`] when it is not a passphrase.
pub(crate) fn read(path: &Path, stores: &[&Path]) -> Result<SecretVec, Failure> {
    let failed = |source| Failure::read(path.display().to_string(), source);
    let refuse = |reason| Failure::Usage(format!("{} {reason}", path.display()));
    // Room for all of it, so that no smaller buffer is left behind with a part.
    let mut text = Zeroizing::new(Vec::with_capacity(8_192));
    check_place(path, stores)?;
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST + 2).read_to_end(&mut text).map_err(failed)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(refuse("has an empty first line; write the passphrase there"));
    }
    if line.len() as u64 > LONGEST {
        return Err(refuse(
            "has a first line that is too long for a passphrase; name another file",
        ));
    }
    Ok(SecretVec::from(line.to_vec()))
}

/// Refuses the file at `path`, where there is one, in a vault or a home, or with another name among the files of
/// `stores`.
///
/// # Errors
///
/// [`Failure::PassphraseInStore`].
pub(crate) fn check_place(path: &Path, stores: &[&Path]) -> Result<(), Failure> {
    let within = fs::canonicalize(path).ok().and_then(|whole| stores::store_of(parent(&whole)));
    let store = within.or_else(|| {
        let identity = platform::identity_at(path).ok()?;
        let found = stores.iter().find(|store| stores::has_file(store, identity))?;
        Some(found.to_path_buf())
    });
    match store {
        Some(store) => Err(Failure::PassphraseInStore { path: path.to_owned(), store }),
        None => Ok(()),
    }
}
