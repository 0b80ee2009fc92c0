//! Every error that the command prints, with the test that runs its hint as it is printed, or with the words of a next
//! step that is not a command. A new variant fails here until it has its line.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use self::Step::{Run, Say};

/// Next step of an error.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A command: this test provokes the error, and runs the command of its message.
    Run(&'static str),
    /// No command: the message has these words.
    Say(&'static str),
}

/// The enums of errors, each with its file.
const ENUMS: [(&str, &str); 13] = [
    ("LocalVaultError", "crates/local-vault/src/error.rs"),
    ("Error", "crates/keys/src/error.rs"),
    ("NextStep", "crates/keys/src/error.rs"),
    ("Cause", "crates/keys/src/error.rs"),
    ("Ineligible", "crates/keys/src/error.rs"),
    ("DocumentError", "crates/keys/src/error.rs"),
    ("VaultError", "crates/vault/src/error.rs"),
    ("DeniedReason", "crates/vault/src/error.rs"),
    ("AuditError", "crates/vault/src/audit/error.rs"),
    ("StateError", "crates/keys/src/state/error.rs"),
    ("Engine", "src/error.rs"),
    ("Failure", "crates/cli/src/failure.rs"),
    ("BackupFailure", "crates/cli/src/failure/backup.rs"),
];

/// Folders of the sources in which the words of messages are, and of the tests.
const FOLDERS: [&str; 5] =
    ["crates/keys/src", "crates/vault/src", "crates/local-vault/src", "crates/cli", "src"];

#[rustfmt::skip]
const STEPS: &[(&str, &str, Step)] = &[
    ("LocalVaultError", "Missing", Run("what_is_said_of_a_vault_names_it_for_a_shell")),
    ("LocalVaultError", "AlreadyInitialised", Say("use it as it is or name another directory")),
    ("LocalVaultError", "NotEmpty", Say("name a new or an empty directory for the vault")),
    ("LocalVaultError", "Exposed", Run("what_is_said_of_a_vaults_permissions_sets_them")),
    ("LocalVaultError", "Damaged", Run("a_damaged_file_of_a_vault_is_replaced_by_that_of_a_copy")),
    ("LocalVaultError", "Format", Say("use a newer version")),
    ("LocalVaultError", "Name", Say("use 1 to 127 letters, digits and hyphens")),
    ("LocalVaultError", "KeyExists", Run("a_key_that_is_there_is_rotated")),
    ("LocalVaultError", "KeyMissing", Run("what_is_said_of_a_vault_names_it_for_a_shell")),
    ("LocalVaultError", "VersionMissing", Say("open a copy of the vault that has it")),
    ("LocalVaultError", "VersionUnknown", Say("it has, newest last: ")),
    ("LocalVaultError", "VersionAmbiguous", Say("give more of it: ")),
    ("LocalVaultError", "ForeignId", Say("is not the id of a key in a local vault (local/VAULT/NAME/VERSION)")),
    ("LocalVaultError", "OtherVault", Say("open the document with the vault that has the key")),
    ("LocalVaultError", "Algorithm", Say("use the algorithm of its kind")),
    ("LocalVaultError", "KeyDeleted", Run("a_deleted_key_is_recovered_where_it_is_missed")),
    ("LocalVaultError", "NotDeleted", Say("it is in use as it is")),
    ("LocalVaultError", "PurgeProtected", Run("a_deleted_key_is_recovered_where_it_is_missed")),
    ("LocalVaultError", "KeyDisabled", Run("a_disabled_version_is_enabled_in_its_vault")),
    ("LocalVaultError", "NotYetValid", Run("a_key_out_of_its_time_wraps_again")),
    ("LocalVaultError", "Expired", Run("a_key_out_of_its_time_wraps_again")),
    ("LocalVaultError", "Operation", Say("use one that has it among its operations")),
    ("LocalVaultError", "NoPublicKey", Say("use an RSA key")),
    ("LocalVaultError", "Identity", Run("an_identity_that_a_vault_does_not_know_is_granted_something")),
    ("LocalVaultError", "Permission", Run("what_is_said_of_a_resource_names_its_home")),
    ("LocalVaultError", "PassphraseNeeded", Say("{0} with --passphrase-file")),
    ("LocalVaultError", "PassphraseWrong", Say("give the vault's passphrase")),
    ("LocalVaultError", "NoPassphrase", Say("leave out --passphrase-file and STRONGROOM_PASSPHRASE_FILE")),
    ("LocalVaultError", "PassphraseChanged", Say("by running the same command again")),
    ("LocalVaultError", "Setting", Say("give 7 to 90 days")),
    ("LocalVaultError", "TooManyVersions", Say("create another key")),
    ("LocalVaultError", "Backup", Say("give the file that was made as one")),
    ("LocalVaultError", "Memory", Say("free some and try again")),
    ("LocalVaultError", "FileSystem", Say("choose a directory on another one")),
    ("LocalVaultError", "Locked", Say("wait for it, or end it, and run this again")),
    ("LocalVaultError", "Trail", Run("a_damaged_trail_of_a_vault_is_repaired")),
    ("LocalVaultError", "Random", Say("run the same command again")),
    ("LocalVaultError", "Key", Say("authentication failed")),
    ("LocalVaultError", "Io", Say("name another vault with --vault")),

    ("Error", "NotFound", Run("what_is_said_of_a_resource_names_its_home")),
    ("Error", "AlreadyExists", Say("choose another name")),
    ("Error", "Argument", Say("open it")),
    ("Error", "WrongState", Run("a_state_that_does_not_take_a_command_is_left_by_another")),
    ("Error", "Denied", Run("what_is_said_of_a_resource_names_its_home")),
    ("Error", "Shredded", Say("its keys are destroyed and nothing opens its data")),
    ("Error", "Unreachable", Run("a_damaged_trail_that_keeps_keys_from_being_used_is_repaired")),
    ("Error", "NotRefreshed", Say("were not refreshed in time; run the same command again")),
    ("Error", "NotEligible", Say("move it to a tier that does")),
    ("Error", "UnsuitableKey", Say("cannot be a customer-managed key: ")),
    ("Error", "NoVault", Run("a_home_that_lost_the_places_of_vaults_is_told_of_one_by_a_command")),
    ("Error", "WrongKey", Say("restore the state from a backup")),
    ("Error", "ForeignDocument", Say("name the resource that it is of, or leave out --resource")),
    ("Error", "Expired", Say("is not opened any more")),
    ("Error", "Time", Say("set the clock, or confirm it")),
    ("Error", "Pinned", Say("or give the --least-epoch and --require-cmk that hold of it")),
    ("Error", "Contended", Say("change the resource {resource} at the same time; try again")),
    ("Error", "LeaseEnded", Say("open the document again")),
    ("Error", "Vault", Run("a_disabled_version_is_enabled_in_its_vault")),
    ("Error", "Audit", Run("a_damaged_audit_tail_stops_no_revocation_and_is_repaired_by_a_command")),
    ("Error", "Unrecorded", Run("a_damaged_audit_tail_stops_no_revocation_and_is_repaired_by_a_command")),
    ("Error", "Kept", Run("a_withdrawal_from_a_store_that_was_rolled_back_is_kept_and_carried_out_by_the_restore")),
    ("Error", "State", Run("rolled_back_states_are_refused_until_a_command_goes_on_from_them")),
    ("Error", "Engine", Say("cannot {doing}: {reason}")),

    ("NextStep", "EnableCmk", Run("a_state_that_does_not_take_a_command_is_left_by_another")),
    ("NextStep", "DisableCmk", Run("a_state_that_does_not_take_a_command_is_left_by_another")),
    ("NextStep", "FinishRotation", Run("a_rotation_that_was_begun_is_finished")),
    ("NextStep", "Refresh", Run("a_key_that_is_back_before_the_data_is_destroyed_gives_access_back")),
    ("NextStep", "Restore", Run("a_state_that_does_not_take_a_command_is_left_by_another")),
    ("NextStep", "KeyIsBack", Run("a_key_that_is_back_before_the_data_is_destroyed_gives_access_back")),
    ("NextStep", "CreateAnother", Run("a_resource_whose_keys_are_destroyed_is_followed_by_another")),

    ("Cause", "Vault", Run("a_withdrawn_key_is_given_back")),
    ("Cause", "Revoked", Run("what_is_said_of_a_resource_names_its_home")),
    ("Cause", "IdentityDisabled", Run("a_resource_that_is_closed_for_its_host_is_opened_again")),
    ("Cause", "OtherTenant", Run("a_resource_that_is_closed_for_its_host_is_opened_again")),
    ("Cause", "ResourceDeleted", Run("what_is_said_of_a_resource_names_its_home")),

    ("Ineligible", "Tier", Say("move it to a tier that does")),
    ("Ineligible", "Created", Say("create a new one and move the data there")),
    ("Ineligible", "Tenant", Say("use a vault of its tenant")),
    ("Ineligible", "Region", Say("use a vault of its region")),
    ("Ineligible", "Identity", Say("give the resource one")),
    ("DocumentError", "Resource", Run("a_withdrawn_key_is_given_back")),
    ("DocumentError", "Document", Say("give a file that strongroom has sealed, in full")),

    ("VaultError", "Denied", Run("a_disabled_version_is_enabled_in_its_vault")),
    ("VaultError", "Unavailable", Say("it comes back by itself when the vault answers")),
    ("VaultError", "Invalid", Run("a_damaged_trail_of_a_vault_is_repaired")),
    ("DeniedReason", "KeyDisabled", Run("a_disabled_version_is_enabled_in_its_vault")),
    ("DeniedReason", "KeyMissing", Run("a_deleted_key_is_recovered_where_it_is_missed")),
    ("DeniedReason", "Permission", Run("what_is_said_of_a_resource_names_its_home")),
    ("DeniedReason", "Identity", Run("an_identity_that_is_disabled_is_enabled")),
    ("DeniedReason", "Firewall", Say("admit this host")),

    ("AuditError", "Unwritable", Say("the audit trail cannot be written: {reason}")),
    ("AuditError", "File", Say("check the disk and the permissions")),
    ("AuditError", "Exposed", Run("a_trail_that_others_may_write_is_made_private")),
    ("AuditError", "Damaged", Run("damage_of_a_trail_is_closed_by_the_command_that_is_named")),
    ("AuditError", "Tampered", Run("damage_of_a_trail_is_closed_by_the_command_that_is_named")),
    ("AuditError", "End", Run("a_damaged_audit_tail_stops_no_revocation_and_is_repaired_by_a_command")),
    ("AuditError", "Missing", Run("damage_of_a_trail_is_closed_by_the_command_that_is_named")),
    ("AuditError", "Truncated", Run("damage_of_a_trail_is_closed_by_the_command_that_is_named")),
    ("AuditError", "Replaced", Run("damage_of_a_trail_is_closed_by_the_command_that_is_named")),

    ("StateError", "Missing", Say("create it, or restore the store from a backup")),
    ("StateError", "Invalid", Say("nothing older is used in its place: restore the home from a backup with: {}")),
    ("StateError", "TooNew", Say("upgrade this process")),
    ("StateError", "RolledBack", Run("rolled_back_states_are_refused_until_a_command_goes_on_from_them")),
    ("StateError", "Replaced", Run("states_that_were_rolled_back_and_written_on_are_gone_on_from")),
    ("StateError", "InDoubt", Run("after_a_repair_a_resource_whose_newest_state_may_be_lost_stays_closed_until_that_is_confirmed")),
    ("StateError", "Name", Say("use 1 to 64 lower-case letters, digits, - and _")),
    ("StateError", "Exposed", Run("states_that_others_can_reach_are_made_private")),
    ("StateError", "Io", Say("check what is there, its permissions, and the disk")),

    ("Engine", "Authentication", Say("give the --context it was sealed with, or restore the file from a copy")),
    ("Engine", "Format", Say("give a file that strongroom has sealed, in full")),
    ("Engine", "Key", Say("{key}: {reason}")),
    ("Engine", "KeyEncrypted", Say("give that passphrase")),
    ("Engine", "KeyPassphrase", Say("give the one that it was encrypted with")),
    ("Engine", "NoKey", Say("no key for this document: it is wrapped with {wrapped_with}")),
    ("Engine", "Expired", Say("is not opened any more")),
    ("Engine", "RolledBack", Say("restore the newest")),
    ("Engine", "Length", Say("is more than the {limit} allowed")),
    ("Engine", "Argument", Say("{what}: {reason}")),
    ("Engine", "InputChanged", Say("try again when nothing writes to it")),
    ("Engine", "Random", Say("the operating system gave no random bytes")),
    ("Engine", "Fault", Say("test its memory before it seals or opens anything else")),
    ("Engine", "Io", Say("{doing}: {source}")),

    ("Failure", "Usage", Say("leave it out, or everything else")),
    ("Failure", "InputIsDirectory", Say("pack it into one first, for instance with tar")),
    ("Failure", "OutputIsDirectory", Say("give the name of a file with {option}")),
    ("Failure", "CommandNotStarted", Say("check the shell")),
    ("Failure", "Command", Say("mend what it said, and run it again")),
    ("Failure", "Exists", Run("what_is_said_of_a_vault_names_it_for_a_shell")),
    ("Failure", "SameFile", Say("choose another name with {option}")),
    ("Failure", "HeaderName", Run("hints_for_two_headers_work_one_after_the_other")),
    ("Failure", "HeaderKept", Say("look at both with: {}")),
    ("Failure", "NotDurable", Say("run sync, or the same command again")),
    ("Failure", "NoLock", Say("give both new names, or write them on a file system that has locks")),
    ("Failure", "TwoReaders", Say("give each a file or a pipe of its own")),
    ("Failure", "InsideStore", Say("choose another place with {option}")),
    ("Failure", "PassphraseInStore", Say("write the passphrase into a file in another place, and name that")),
    ("Failure", "Reserved", Say("choose another name with {option}")),
    ("Failure", "ReservedInput", Say("give it another name with mv first")),
    ("Failure", "Lock", Say("check the device it is on")),
    ("Failure", "Waited", Say("wait for it, or end it, and run this again")),
    ("Failure", "Directory", Say("choose another place with {option}")),
    ("Failure", "KeyFile", Say("give the file that holds it alone")),
    ("Failure", "Read", Say("check who may read it with ls -l")),
    ("Failure", "Changed", Say("seal what it holds by then with --stream")),
    ("Failure", "ChangedLength", Say("or read it to its end with --stream")),
    ("Failure", "Write", Say("choose another place with -o")),
    ("Failure", "StdoutClosed", Say("name a file with -o")),
    ("Failure", "StdinClosed", Say("have an empty input with: </dev/null")),
    ("Failure", "Print", Say("run it again without the pipe")),
    ("Failure", "NotPrinted", Say("send it to another place with >")),
    ("Failure", "PrintAfter", Say("standard output was closed before the figures were printed")),
    ("Failure", "Document", Say("give a file that strongroom has sealed, in full")),
    ("Failure", "HeaderApart", Say("or restore the document from a copy")),
    ("Failure", "HeaderAlone", Say("holds a header and no document: {next}")),
    ("Failure", "OtherHeader", Say("name the header's file that was made with it")),
    ("Failure", "BeyondEnd", Say("give one within 0..{length}")),
    ("Failure", "NotAFile", Say("give a sealed document, or a header's file")),
    ("Failure", "Rewrap", Say("and run the same command again")),
    ("Failure", "NotUnlocked", Say("give the --context it was sealed with (or --any-context,")),
    ("Failure", "Unproved", Say("the file is as it was: run the same command again")),
    ("Failure", "Move", Say("and run the same command again")),
    ("Failure", "MovedOther", Say("test this machine's memory, and run the same command again")),
    ("Failure", "Remove", Say("check who may write it and its directory with ls -l")),
    ("Failure", "Foreign", Say("name the resource that it is of, or leave it out")),
    ("Failure", "NotCounted", Run("a_damaged_audit_tail_stops_no_revocation_and_is_repaired_by_a_command")),
    ("Failure", "Replaced", Say("other processes keep replacing it; run the same command again")),
    ("Failure", "Contended", Say("other processes keep changing its header; run the same command again")),
    ("Failure", "SomeNotDone", Say("mend what is said there, and run the same command again")),
    ("Failure", "SomeLeft", Say("run the command again with these files alone: {}")),
    ("Failure", "NoKey", Say("name the vault that has this key with --vault")),
    ("Failure", "UnknownAlgorithm", Say("open it with a newer version")),
    ("Failure", "Header", Say("or restore the file from a copy")),
    ("Failure", "Chunk", Say("restore the file from a copy")),
    ("Failure", "Check", Say("try again when nothing writes to {name}")),
    ("Failure", "Vault", Run("a_disabled_version_is_enabled_in_its_vault")),
    ("Failure", "VaultExposed", Run("what_is_said_of_a_vaults_permissions_sets_them")),
    ("Failure", "Passphrase", Say("{0} with --passphrase-file")),
    ("Failure", "CustomerPassphrase", Run("a_passphrase_of_a_customers_vault_is_recorded")),
    ("Failure", "NotGranted", Run("what_is_said_of_a_resource_names_its_home")),
    ("Failure", "VaultFile", Say("check whose it is with ls -l, or name another vault with --vault")),
    ("Failure", "NoVault", Run("what_is_said_of_a_vault_names_it_for_a_shell")),
    ("Failure", "NoSuchKey", Run("what_is_said_of_a_vault_names_it_for_a_shell")),
    ("Failure", "VaultMoved", Run("a_vault_that_was_moved_is_asked_at_its_new_place_by_a_command_of_its_own")),
    ("Failure", "VaultUnused", Run("a_vault_that_no_resource_is_under_gets_one")),
    ("Failure", "VaultOlder", Say("it is an older copy of the vault; find the newest one")),
    ("Failure", "NoHome", Say("name one with --vault")),
    ("Failure", "EmptyHome", Say("set it, or name them with --vault and --home")),
    ("Failure", "NoService", Run("what_is_said_of_a_resource_names_its_home")),
    ("Failure", "HomeExists", Say("use it as it is, or name another with --home")),
    ("Failure", "HomeDamaged", Run("a_damaged_file_of_a_home_is_replaced_by_that_of_a_copy")),
    ("Failure", "HomeExposed", Run("what_is_said_of_permissions_sets_them")),
    ("Failure", "HomeFileSystem", Say("name a home on another one with --home")),
    ("Failure", "HomeFile", Say("check what is there and whose it is with ls -l, or name another home with --home")),
    ("Failure", "HomeLacks", Run("a_lost_vault_a_lost_key_and_a_lost_manifest_come_from_the_backup")),
    ("Failure", "HomeLocked", Say("wait for it, or end it, and run this again")),
    ("Failure", "NoResourceKey", Say("or, where this home has lost it, bring it back with: {}")),
    ("Failure", "Resource", Run("a_state_that_does_not_take_a_command_is_left_by_another")),
    ("Failure", "Audit", Run("damage_of_a_trail_is_closed_by_the_command_that_is_named")),
    ("Failure", "TrailRepaired", Say("which were closed, and what they held is lost")),
    ("Failure", "HomeFormat", Say("use the version that made it")),
    ("Failure", "SomeNotShredded", Say("each named above; run it again")),
    ("Failure", "Threads", Say("give fewer with --threads")),
    ("Failure", "Taken", Say("exists and is kept; choose another place with {option}")),
    ("Failure", "NotPrivate", Say("other users could read the keys; choose another place with")),
    ("Failure", "Backup", Run("a_whole_home_another_service_and_anything_else_are_left")),

    ("BackupFailure", "NotMade", Say("free some space, or choose another place with -o")),
    ("BackupFailure", "Lacks", Run("a_resource_whose_states_are_lost_for_good_is_given_up_by_a_command")),
    ("BackupFailure", "StatesLost", Run("a_damaged_home_is_not_backed_up_and_a_lost_resource_is_told_of")),
    ("BackupFailure", "Missing", Say("give the directory that a backup was made in")),
    ("BackupFailure", "Format", Say("use the version that made it")),
    ("BackupFailure", "Damaged", Say("use another backup")),
    ("BackupFailure", "NoRoom", Say("free some space, or name another home with --home")),
    ("BackupFailure", "Unreadable", Say("check what is there and whose it is with ls -l, or use another backup")),
    ("BackupFailure", "InHome", Say("move the backup to another place first")),
    ("BackupFailure", "HomeWhole", Say("restore it into another directory with --home")),
    ("BackupFailure", "TrailDamaged", Run("without_its_trail_a_home_is_as_it_was_in_the_backup")),
    ("BackupFailure", "OtherHome", Say("move it away, or name another home with --home")),
    ("BackupFailure", "HomeAside", Run("a_home_that_gave_way_is_put_back_where_that_was_interrupted")),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The variants of the enum `name` in `source`.
fn variants<'s>(source: &'s str, name: &str) -> BTreeSet<&'s str> {
    let start = [format!("pub enum {name} {{\n"), format!("pub(crate) enum {name} {{\n")];
    let at = start.iter().find_map(|start| Some(source.find(start)? + start.len()));
    let body = &source[at.unwrap()..];
    let body = &body[..body.find("\n}\n").unwrap()];
    let variant = |line: &'s str| {
        let line = line.strip_prefix("    ")?;
        line.starts_with(|c: char| c.is_ascii_uppercase())
            .then(|| line.split(|c: char| !c.is_alphanumeric()).next().unwrap())
    };
    body.lines().filter_map(variant).collect()
}

/// All sources below `folder`, with their strings in one line.
fn text_of(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&text_of(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("hints/table.rs")
        {
            let source = fs::read_to_string(path).unwrap();
            let mut parts = source.split("\\\n");
            text.push_str(parts.next().unwrap());
            parts.for_each(|part| text.push_str(part.trim_start()));
        }
    }
    text
}

#[test]
fn each_error_has_a_hint_that_is_run_or_words_of_a_next_step() {
    let listed: BTreeSet<(&str, &str)> = STEPS.iter().map(|step| (step.0, step.1)).collect();
    assert_eq!(listed.len(), STEPS.len(), "one line for each");
    let mut found = BTreeSet::new();
    let sources = ENUMS.map(|(name, file)| (name, fs::read_to_string(root().join(file)).unwrap()));
    for (name, source) in &sources {
        let of_engine = if *name == "Engine" { "Error" } else { name };
        found.extend(variants(source, of_engine).into_iter().map(|variant| (*name, variant)));
    }
    assert_eq!(found.difference(&listed).collect::<Vec<_>>(), [&("", ""); 0], "not in the table");
    assert_eq!(listed.difference(&found).collect::<Vec<_>>(), [&("", ""); 0], "not there any more");

    let text: String = FOLDERS.iter().map(|folder| text_of(&root().join(folder))).collect();
    for &(name, variant, step) in STEPS {
        let wanted = match step {
            Run(test) => format!("#[test]\nfn {test}() {{"),
            Say(words) => words.to_owned(),
        };
        assert!(text.contains(&wanted), "{name}::{variant}: {step:?}");
    }
    // A variant that nobody thought of is found.
    let planted = "pub enum A {\n    /// One.\n    One,\n    #[error(\"x\")]\n    Two {\n        Three: u8,\n    },\n}\n";
    assert_eq!(variants(planted, "A").into_iter().collect::<Vec<_>>(), ["One", "Two"]);
}
