//! Changes that a restore undid, by the audit trail, and the commands that do them again. What was withdrawn or destroyed
//! is so again, and not among them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strongroom_keys::audit::{AuditLine, AuditResult};
use strongroom_keys::block_on;
use strongroom_keys::resource::{
    Cause, Cmk, Protection, ResourceId, Restored, VaultDirectory as _,
};
use strongroom_keys::vault::VersionedKeyId;

use super::Service;
use crate::failure::Failure;
use crate::hint;
use crate::time::display_time;

/// Operations that give a resource keys, or other ones.
const OPERATIONS: [&str; 6] = [
    "enable-cmk",
    "rotate-cmk",
    "disable-cmk",
    "rotate-resource-key",
    "rotate-service-key",
    "add-hour-key",
];

/// Changes of one resource that a restore undid.
#[derive(Debug, Default, Serialize)]
pub(crate) struct UndoneChanges {
    /// From the oldest.
    pub(crate) undone: Vec<Change>,
    /// Commands that do them again, in their order; none where nothing is to be done, or not yet.
    pub(crate) next: Vec<String>,
}

/// A change of a resource.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    operation: String,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<VersionedKeyId>,
}

/// A state as the trail has it.
#[derive(Debug)]
struct Told {
    line: u64,
    number: u64,
    change: Change,
    outline: Option<Value>,
}

impl UndoneChanges {
    /// The sentence about the resource `id`; `None` where nothing was undone.
    pub(crate) fn sentence(&self, id: &ResourceId) -> Option<String> {
        if self.undone.is_empty() {
            return None;
        }
        let is_hour = |change: &&Change| change.operation == "add-hour-key";
        let hours = self.undone.iter().filter(is_hour).count();
        let others = self.undone.iter().filter(|change| !is_hour(change));
        let mut words: Vec<String> = others
            .map(|change| format!("{} at {}", change.operation, display_time(change.at)))
            .collect();
        match hours {
            0 => {}
            1 => words.push("the key of 1 hour of expiry".to_owned()),
            hours => words.push(format!("the keys of {hours} hours of expiry")),
        }
        let words = words.join(", ");
        let mut text = format!(
            "undone in the resource {id}: {words}: what was sealed under keys that came since is lost"
        );
        if !self.next.is_empty() {
            text = format!("{text}; do it again, with: {}", self.next.join(", and then: "));
        }
        Some(text)
    }

    fn has(&self, operation: &str) -> bool {
        self.undone.iter().any(|change| change.operation == operation)
    }
}

impl Service {
    /// The changes that were undone in each of the resources that go on from older states.
    ///
    /// # Errors
    ///
    /// [`Failure::Audit`], and those of the list of places.
    pub(crate) fn undone(
        &self,
        restored: &[Restored],
    ) -> Result<BTreeMap<ResourceId, UndoneChanges>, Failure> {
        let mut told: BTreeMap<&str, Vec<Told>> =
            restored.iter().map(|one| (one.resource.as_str(), Vec::new())).collect();
        if told.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut lines = BTreeSet::new();
        self.trail().read_all(&mut |line: &AuditLine| {
            let event = &line.event;
            let state = event.state.as_ref().filter(|_| event.result == AuditResult::Done);
            let Some(state) = state else { return };
            let Some(told) = told.get_mut(state.name.as_str()) else { return };
            if lines.insert(line.number) {
                let (operation, key) = (event.operation.clone(), event.key.clone());
                let change = Change { operation, at: event.time, key };
                let (line, number, outline) = (line.number, state.number, event.detail.clone());
                told.push(Told { line, number, change, outline });
            }
        })?;
        let mut all = BTreeMap::new();
        for one in restored {
            let told = told.remove(one.resource.as_str()).unwrap_or_default();
            all.insert(one.resource.clone(), self.undone_in(one, told)?);
        }
        Ok(all)
    }

    fn undone_in(&self, one: &Restored, mut told: Vec<Told>) -> Result<UndoneChanges, Failure> {
        told.retain(|told| told.number < one.to);
        told.sort_by_key(|told| (told.number, told.line));
        let Some(newest) = told.iter().map(|told| told.number).max() else {
            return Ok(UndoneChanges::default());
        };
        let outline = told.iter().rev().find_map(|told| told.outline.as_ref());
        let known =
            outline.and_then(|outline| Protection::deserialize(outline.get("protection")?).ok());
        // One that was written on elsewhere has the number of a state that is undone.
        let from = one.from.min(newest.saturating_sub(1));
        let is_undone = |told: &Told| {
            told.number > from && OPERATIONS.contains(&told.change.operation.as_str())
        };
        let undone = told.into_iter().filter(is_undone).map(|told| told.change).collect();
        let mut undone = UndoneChanges { undone, next: Vec::new() };
        if let Some(known) = known {
            undone.next = self.commands(one, &known, &undone)?;
        }
        Ok(undone)
    }

    /// The commands that lead to what was known.
    fn commands(
        &self,
        one: &Restored,
        known: &Protection,
        undone: &UndoneChanges,
    ) -> Result<Vec<String>, Failure> {
        let (name, now) = (one.resource.as_str(), &one.protection);
        let on = |command: &str| hint::strongroom(command, &[name.into()], &[]);
        let is_closed = matches!(now, Protection::Denied { .. } | Protection::ShredPending { .. });
        let is_deleted =
            matches!(now, Protection::ShredPending { cause: Cause::ResourceDeleted, .. });
        if is_deleted || matches!(now, Protection::Shredded { .. }) {
            return Ok(Vec::new()); // nothing before that is taken back
        }
        // One that was enabled since has lost its customer key, and asks for another.
        let in_use = now.cmk().filter(|_| !undone.has("enable-cmk"));
        let mut again = Vec::new();
        match (in_use, known.cmk()) {
            (Some(_), None) => again.push(on("resource disable-cmk")),
            (Some(now), Some(known)) if now.key != known.key => {
                let is_other = now.key.vault() != known.key.vault();
                again.push(self.again("resource rotate-cmk", name, known, is_other)?);
            }
            (None, Some(known)) => {
                again.push(self.again("resource enable-cmk", name, known, true)?);
            }
            _ => {}
        }
        if undone.has("rotate-resource-key") {
            again.push(on("resource rotate-key"));
        }
        if undone.has("rotate-service-key") {
            again.push(hint::strongroom("service-key rotate", &[], &[]));
        }
        let mut next = Vec::new();
        if let Some(cmk) = in_use.filter(|_| !again.is_empty()) {
            next.extend(self.key_back(cmk));
            next.extend(is_closed.then(|| on("resource refresh")));
        }
        next.extend(again);
        Ok(next)
    }

    /// The command that enables the key that is in use again, which was disabled once another one had taken its place.
    fn key_back(&self, cmk: &Cmk) -> Option<String> {
        let vault = self.customers().vault(&cmk.key, &cmk.identity)?;
        let is_disabled = block_on(vault.describe(&cmk.key)).is_ok_and(|key| !key.enabled);
        is_disabled.then(|| hint::on_version("vault enable", &cmk.key.to_string(), &[]))
    }

    /// The command that puts the resource `name` under a key again, of a vault that is named where `names_vault` says so.
    fn again(
        &self,
        command: &str,
        name: &str,
        cmk: &Cmk,
        names_vault: bool,
    ) -> Result<String, Failure> {
        let vault = self.customers().get(cmk.key.vault())?.filter(|_| names_vault);
        let mut options = vec![
            ("--key", cmk.key.name().as_str().as_ref()),
            ("--key-version", cmk.key.version().as_ref()),
        ];
        match &vault {
            Some(vault) => {
                options.push(("--vault", vault.directory.as_os_str()));
                let file = vault.passphrase_file.as_ref();
                options.extend(file.map(|file| ("--passphrase-file", file.as_os_str())));
            }
            None if names_vault => options.push(("--vault", "DIR".as_ref())),
            None => {}
        }
        Ok(hint::strongroom(command, &[name.into()], &options))
    }
}
