//! `strongroom vault create`, `rotate`, `import` and `set-dates`: versions of keys, and from when until when they wrap.

use std::fs::File;
use std::io::Read as _;
use std::time::SystemTime;

use strongroom::Error;
use strongroom::rsa::PrivateKey;
use strongroom::secret::SecretVec;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{
    KeyKind, KeyOptions, KeyVersion, LocalVaultError, RotateOptions, Versions,
};
use zeroize::Zeroizing;

use super::{change, named, tell};
use crate::args::{CreateKeyArgs, DateOptions, ImportArgs, KeyType, RotateKeyArgs, SetDatesArgs};
use crate::failure::Failure;
use crate::passphrase_file;
use crate::prompt;
use crate::readers::Readers;
use crate::time::{display_time, since_epoch};
use crate::vaults::Location;

/// No file with one RSA-2048 key is longer, in bytes.
const LONGEST_KEY: usize = 64 << 10;

/// Creates a key.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn create(args: CreateKeyArgs) -> Result<(), Failure> {
    let kind = match args.kind {
        KeyType::Rsa => KeyKind::Rsa,
        KeyType::Aes => KeyKind::Oct,
    };
    let DateOptions { not_before, expires } = args.dates;
    let options = KeyOptions { kind, not_before, expires, ..KeyOptions::default() };
    change(args.key, "created", |vault, name| {
        let id = vault.create_with(name, options)?.to_string();
        let text = match kind {
            KeyKind::Oct => format!(
                "{id} wraps the keys of services; copy the vault {} to a safe place again",
                vault.path().display()
            ),
            KeyKind::Rsa => seals(vault, name, &id)?,
        };
        Ok((text, id))
    })
}

/// Adds a version to a key.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn rotate(args: RotateKeyArgs) -> Result<(), Failure> {
    let options =
        RotateOptions { not_before: args.not_before, expires: args.expires.unwrap_or_default() };
    change(args.key, "rotated", |vault, name| {
        let id = vault.rotate_with(name, options)?.to_string();
        Ok((seals(vault, name, &id)?, id))
    })
}

/// Creates a key from one that the user brings.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn import(args: ImportArgs) -> Result<(), Failure> {
    let file_name = args.file.display().to_string();
    let failed = |source| Failure::read(file_name.as_str(), source);
    let refused = |reason: String| Failure::KeyFile { name: file_name.clone(), reason };
    let readers = Readers::new(&args.key.vault);
    readers.check_path("the key to import", &args.file)?;
    if let Some(file) = &args.key_passphrase_file {
        readers.check_path("the passphrase file of the key", file)?;
    }
    // Room for all of it, so that no smaller buffer is left behind with a part.
    let mut contents = Zeroizing::new(Vec::with_capacity(LONGEST_KEY + 1));
    let file = File::open(&args.file).map_err(failed)?;
    file.take(LONGEST_KEY as u64 + 1).read_to_end(&mut contents).map_err(failed)?;
    if contents.len() > LONGEST_KEY {
        let reason =
            "the file is longer than any with one such key; give the file that holds it alone";
        return Err(refused(reason.to_owned()));
    }
    let location = Location::find(args.key.vault)?;
    let given = args.key_passphrase_file.as_deref();
    let given = given.map(|file| passphrase_file::read(file, &[location.path()])).transpose()?;
    let read = match &given {
        Some(given) => PrivateKey::import_encrypted(&contents, given.expose()),
        None => PrivateKey::import(&contents),
    };
    let read = match read {
        Err(Error::KeyEncrypted) => {
            let question = format!("passphrase of the key in {file_name}");
            let typed: Option<SecretVec> = prompt::passphrase(&question)?;
            let typed = typed.ok_or_else(|| {
                Failure::Usage(format!(
                    "the key in {file_name} is encrypted; name a file that holds its passphrase \
                     with --key-passphrase-file"
                ))
            })?;
            PrivateKey::import_encrypted(&contents, typed.expose())
        }
        read => read,
    };
    let key = read.map_err(|error| refused(error.to_string()))?;
    let vault = location.open()?;
    let DateOptions { not_before, expires } = args.dates;
    let options = KeyOptions { not_before, expires, ..KeyOptions::default() };
    let name = &args.key.name;
    let id = vault.import_rsa(name, key, options)?;
    let id = id.to_string();
    let text = format!(
        "imported the key {name:?}: {}; {file_name} still holds the key, so keep it as safe as the vault, or destroy it",
        seals(&vault, name, &id)?,
    );
    tell(&vault, "imported", id, &text, args.key.json)
}

/// Changes from when and until when a version wraps.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn set_dates(args: SetDatesArgs) -> Result<(), Failure> {
    let (not_before, expires) =
        (args.not_before.unwrap_or_default(), args.expires.unwrap_or_default());
    let vault = Location::find(args.key.vault)?.open()?;
    let name = &args.key.name;
    let changed = || -> Result<Option<KeyVersion>, LocalVaultError> {
        let which = match named(&vault, name, args.key_version.as_deref())? {
            Some(version) => version,
            // Named, so that the answer is about the version that was changed.
            None => vault
                .show(name)?
                .versions
                .last()
                .map_or(Versions::Newest, |newest| Versions::Only(newest.id.version())),
        };
        vault.set_dates(name, which, not_before, expires)?;
        let of_it = |one: &&KeyVersion| which == Versions::Only(one.id.version());
        Ok(vault.show(name)?.versions.iter().find(of_it).cloned())
    };
    let changed = changed()?;
    let (id, dates) =
        changed.map_or_else(Default::default, |version| (version.id.to_string(), dates(&version)));
    let text = format!("set the dates of the key {name:?}: {id} {dates}; it unwraps at any time");
    tell(&vault, "dates-set", id, &text, args.key.json)
}

/// The time in which a version wraps, in words.
fn dates(version: &KeyVersion) -> String {
    match (version.not_before, version.expires) {
        (None, None) => "wraps without a limit in time".to_owned(),
        (Some(from), None) => format!("wraps from {} on", display_time(from)),
        (None, Some(until)) => format!("wraps until {}", display_time(until)),
        (Some(from), Some(until)) => {
            format!("wraps from {} until {}", display_time(from), display_time(until))
        }
    }
}

/// The sentence on the new version `id`, which is the newest.
fn seals(vault: &LocalVault, name: &str, id: &str) -> Result<String, LocalVaultError> {
    let place = vault.path().display();
    let entry = vault.show(name)?;
    let version = entry.versions.iter().find(|version| version.id.to_string() == id);
    let from = version.and_then(|version| version.not_before);
    let from = from.filter(|&from| from > since_epoch(SystemTime::now()));
    let seals = match from {
        None => format!("from now on {id} seals"),
        Some(from) => {
            format!("from {} on {id} seals, and until then nothing does", display_time(from))
        }
    };
    let until = version.and_then(|version| version.expires);
    let until = until.map_or_else(String::new, |until| format!(", until {}", display_time(until)));
    Ok(format!("{seals}{until}; copy the vault {place} to a safe place again"))
}
