//! `strongroom vault backup` and `restore`.

use std::fs::File;
use std::io::{Read as _, Write as _};

use strongroom_local_vault::LocalVaultError;
use zeroize::Zeroizing;

use super::tell;
use crate::args::{BackupArgs, KeyArgs, RestoreArgs};
use crate::failure::Failure;
use crate::hint;
use crate::output::{Others, Output, Rules};
use crate::place::Place;
use crate::platform::Patient;
use crate::readers::Readers;
use crate::vaults::Location;

/// The longest backup that is read, in bytes; longer ones are none.
const LONGEST_BACKUP: u64 = 64 << 20;

/// Writes a key to a file.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn backup(args: BackupArgs) -> Result<(), Failure> {
    let KeyArgs { name, vault, json } = args.key;
    let readers = Readers::new(&vault);
    let lock_timeout = vault.lock_timeout();
    let vault = Location::find(vault)?.open()?;
    let backup = vault.backup(&name)?;
    let rules = Rules {
        existing: args.force.existing(),
        mode: 0o600,
        is_mode_asked_for: false,
        option: "-o",
        others: Others::WaitedFor(lock_timeout),
    };
    let output = Output::create(&Place::Path(args.output.clone()), &readers, rules)?;
    {
        let (file, shown) = output.parts();
        let written = Patient(file).write_all(backup.expose());
        written.map_err(|source| Failure::write(shown, source))?;
    }
    output.publish()?;
    let text = format!(
        "backed up the key {name:?} with all its versions to {}: whoever has the file has the key; \
         put it back with: {}",
        args.output.display(),
        hint::strongroom("vault restore", &[args.output.as_path().into()], &[])
    );
    tell(&vault, "backed-up", name, &text, json)
}

/// Puts a key back.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn restore(args: RestoreArgs) -> Result<(), Failure> {
    let failed = |source| Failure::read(args.file.display().to_string(), source);
    let readers = Readers::new(&args.vault);
    readers.check_path("the backup", &args.file)?;
    // Room for all of it, so that no smaller buffer is left behind with a part. A device tells no length.
    let file = File::open(&args.file).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len().min(LONGEST_BACKUP) + 1;
    let mut backup = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0)));
    file.take(LONGEST_BACKUP + 1).read_to_end(&mut backup).map_err(failed)?;
    let vault = Location::find(args.vault)?.open()?;
    if backup.len() as u64 > LONGEST_BACKUP {
        let reason = "it is longer than any backup; give the file that was made as one";
        return Err(LocalVaultError::Backup { vault: vault.path().to_owned(), reason }.into());
    }
    let name = vault.restore(&backup)?.to_string();
    let text = format!("restored the key {name:?} with all its versions");
    tell(&vault, "restored", name, &text, args.json)
}
