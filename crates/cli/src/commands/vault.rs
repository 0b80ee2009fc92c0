//! `strongroom vault`: the keys that documents are sealed under.

mod permissions;
mod show;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Serialize;
use strongroom_keys::LocalVault;
use strongroom_keys::local_vault::{
    InitOptions, KeyKind, KeyOptions, LocalVaultError, PassphraseCost, Versions,
};
use strongroom_keys::vault::Place as VaultPlace;
use zeroize::Zeroizing;

use crate::args::{
    BackupArgs, ChangePassphraseArgs, CreateKeyArgs, InitArgs, JsonOption, KeyArgs, KeyType,
    RestoreArgs, VaultCommand, VersionsArgs,
};
use crate::failure::Failure;
use crate::hint;
use crate::output::{Output, Rules};
use crate::place::Place;
use crate::platform::Patient;
use crate::print::{self, Channel};
use crate::prompt;
use crate::readers::Readers;
use crate::time::display_time;
use crate::vaults::{Location, missing_key, passphrase};

/// The longest backup that is read, in bytes; longer ones are none.
const LONGEST_BACKUP: u64 = 64 << 20;

/// Does what the command asks for.
///
/// # Errors
///
/// A [`Failure`] when the vault or the key will not do.
pub(super) fn run(command: VaultCommand) -> Result<(), Failure> {
    match command {
        VaultCommand::Init(args) => init(args),
        VaultCommand::List { vault, json } => show::list(&Location::find(vault)?.open()?, json),
        VaultCommand::Show(args) => show::show(args),
        VaultCommand::Create(args) => create(args),
        VaultCommand::Rotate(args) => change(args, "rotated", |vault, name| {
            let id = vault.rotate(name)?.to_string();
            Ok((seals_from_now_on(vault, &id), id))
        }),
        VaultCommand::Enable(args) => set_enabled(args, true),
        VaultCommand::Disable(args) => set_enabled(args, false),
        VaultCommand::Delete(args) => change(args, "deleted", |vault, name| {
            let until = display_time(vault.delete(name)?.purge_from);
            let protected = vault.settings()?.purge_protection;
            let kept = if protected { "it cannot be purged before" } else { "it is kept until" };
            let text = format!(
                "nothing opens with it any more; {kept} {until}, bring it back with: {}",
                hint::strongroom("vault recover", &[name.as_ref()], &[])
            );
            Ok((text, name.to_owned()))
        }),
        VaultCommand::Recover(args) => change(args, "recovered", |vault, name| {
            vault.recover(name)?;
            Ok(("it opens documents again".to_owned(), name.to_owned()))
        }),
        VaultCommand::Purge(args) => change(args, "purged", |vault, name| {
            vault.purge(name)?;
            Ok(("nothing opens what was sealed under it".to_owned(), name.to_owned()))
        }),
        VaultCommand::ChangePassphrase(args) => change_passphrase(args),
        VaultCommand::Grant(args) => permissions::grant(args),
        VaultCommand::Revoke(args) => permissions::revoke(args),
        VaultCommand::Grants { vault, json } => permissions::list(vault, json),
        VaultCommand::Backup(args) => backup(args),
        VaultCommand::Restore(args) => restore(args),
    }
}

#[derive(Serialize)]
struct Made<'a> {
    operation: &'static str,
    vault: &'a Path,
    id: String,
}

fn init(args: InitArgs) -> Result<(), Failure> {
    let options = InitOptions {
        purge_protection: args.purge_protection,
        retention_days: args.retention_days,
        place: VaultPlace { tenant: args.tenant, region: args.region },
        passphrase: args
            .passphrase
            .then(|| prompt::new_passphrase("--passphrase-file"))
            .transpose()?,
        ..InitOptions::default()
    };
    let vault = Location::find(args.vault)?.init(options)?;
    let id = vault.id().to_string();
    let text = format!(
        "initialised the vault {} (id {id}): keep a copy of it in a safe place, losing it loses the \
         documents sealed with it",
        vault.path().display()
    );
    tell(&vault, "initialised", id, &text, args.json)
}

fn change_passphrase(args: ChangePassphraseArgs) -> Result<(), Failure> {
    if let Some(new) = &args.new_passphrase_file {
        let readers = Readers::new(args.vault.passphrase_file.as_deref());
        readers.check_path("the new passphrase file", new)?;
    }
    let vault = Location::find(args.vault)?.open()?;
    let new = match &args.new_passphrase_file {
        Some(file) => passphrase(file)?,
        None => prompt::new_passphrase("--new-passphrase-file")?,
    };
    vault.change_passphrase(&new, PassphraseCost::default())?;
    let text = format!(
        "the vault {} opens with its new passphrase from now on; copies of it from before still open \
         with the old one",
        vault.path().display()
    );
    let id = vault.id().to_string();
    tell(&vault, "passphrase-changed", id, &text, args.json)
}

fn create(args: CreateKeyArgs) -> Result<(), Failure> {
    let kind = match args.kind {
        KeyType::Rsa => KeyKind::Rsa,
        KeyType::Aes => KeyKind::Oct,
    };
    let options = KeyOptions {
        kind,
        not_before: args.not_before,
        expires: args.expires,
        ..KeyOptions::default()
    };
    change(args.key, "created", |vault, name| {
        let id = vault.create_with(name, options)?.to_string();
        let text = match kind {
            KeyKind::Oct => format!(
                "{id} wraps the keys of services; copy the vault {} to a safe place again",
                vault.path().display()
            ),
            KeyKind::Rsa => seals_from_now_on(vault, &id),
        };
        Ok((text, id))
    })
}

fn seals_from_now_on(vault: &LocalVault, id: &str) -> String {
    let vault = vault.path().display();
    format!("from now on {id} seals; copy the vault {vault} to a safe place again")
}

fn set_enabled(args: VersionsArgs, enabled: bool) -> Result<(), Failure> {
    let operation = if enabled { "enabled" } else { "disabled" };
    change(args.key, operation, |vault, name| {
        let versions = versions(vault, name, args.key_version.as_deref())?;
        vault.set_enabled(name, versions, enabled)?;
        let text = match (versions, enabled) {
            (Versions::Only(version), true) => {
                format!("its version {version} wraps and unwraps again")
            }
            (Versions::Only(version), false) => {
                format!("its version {version} neither wraps nor unwraps")
            }
            (_, true) => "all its versions wrap and unwrap again".to_owned(),
            (_, false) => "all its versions neither wrap nor unwrap".to_owned(),
        };
        Ok((text, name.to_owned()))
    })
}

/// The versions of the key `name` that a command is for: the one whose id begins with `prefix`, or all.
fn versions(
    vault: &LocalVault,
    name: &str,
    prefix: Option<&str>,
) -> Result<Versions, LocalVaultError> {
    let Some(prefix) = prefix else { return Ok(Versions::All) };
    Ok(Versions::Only(vault.show(name)?.version(prefix)?.id.version()))
}

/// Does `work` to a key, which tells the sentence that follows and the id.
fn change(
    args: KeyArgs,
    operation: &'static str,
    work: impl FnOnce(&LocalVault, &str) -> Result<(String, String), LocalVaultError>,
) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    let (text, id) = work(&vault, &args.name).map_err(|error| missing_key(&vault, error))?;
    tell(&vault, operation, id, &format!("{operation} the key {:?}: {text}", args.name), args.json)
}

fn tell(
    vault: &LocalVault,
    operation: &'static str,
    id: String,
    text: &str,
    json: JsonOption,
) -> Result<(), Failure> {
    if json.enabled {
        return print::json(Channel::Output, &Made { operation, vault: vault.path(), id });
    }
    print::line(Channel::Output, text)
}

fn backup(args: BackupArgs) -> Result<(), Failure> {
    let KeyArgs { name, vault, json } = args.key;
    let vault = Location::find(vault)?.open()?;
    let backup = vault.backup(&name).map_err(|error| missing_key(&vault, error))?;
    let rules = Rules {
        existing: args.force.existing(),
        mode: 0o600,
        is_mode_asked_for: false,
        option: "-o",
    };
    let output = Output::create(&Place::Path(args.output.clone()), &Readers::default(), rules)?;
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
        hint::strongroom("vault restore", &[args.output.as_ref()], &[])
    );
    tell(&vault, "backed-up", name, &text, json)
}

fn restore(args: RestoreArgs) -> Result<(), Failure> {
    let failed = |source| Failure::read(args.file.display().to_string(), source);
    let readers = Readers::new(args.vault.passphrase_file.as_deref());
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
