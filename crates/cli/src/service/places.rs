//! Places of customers' vaults by the audit trail, which has each move: a list of places that is lost, or is an older
//! one, does not undo them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strongroom_keys::audit::{AuditEvent, AuditLine, AuditResult};
use strongroom_keys::resource::{
    Checked, NamedVault, ResourceId, VaultLocation as _, VaultLocations,
};
use strongroom_keys::vault::VersionedKeyId;

use super::{CustomerVault, CustomerVaults, Service};
use crate::failure::Failure;

/// The operation of events of a move.
const MOVE: &str = "move-vault";

/// The detail of such an event.
#[derive(Serialize, Deserialize)]
struct Detail {
    vault: String,
    place: CustomerVault,
}

/// A place, and the number of the line that names it.
type Line = (u64, CustomerVault);

/// The moves of one vault.
#[derive(Debug, Default)]
struct Moved {
    /// The newest that was done.
    done: Option<Line>,
    /// The newest that was begun, while its outcome is not known.
    begun: Option<Line>,
}

impl Moved {
    fn note(&mut self, number: u64, result: &AuditResult, place: CustomerVault) {
        // Lines from behind damage come later than they stand.
        let is_newer =
            |line: &Option<Line>| line.as_ref().is_none_or(|(known, _)| *known <= number);
        match result {
            AuditResult::Begun if is_newer(&self.done) && is_newer(&self.begun) => {
                self.begun = Some((number, place));
            }
            AuditResult::Done if is_newer(&self.done) => self.done = Some((number, place)),
            _ => {}
        }
        if !matches!(result, AuditResult::Begun) {
            self.begun = self.begun.take().filter(|(begun, _)| *begun > number);
        }
    }

    /// The place by the list and by the trail: the newest that was done, or one whose move was begun since and is in
    /// the list.
    fn place<'a>(&'a self, listed: Option<&'a CustomerVault>) -> Option<&'a CustomerVault> {
        let named = [&self.begun, &self.done].into_iter().flatten().map(|(_, place)| place);
        let is_named = |listed: &&CustomerVault| named.clone().any(|place| place.is_same(listed));
        let done = self.done.as_ref().map(|(_, place)| place);
        listed.filter(is_named).or(done).or(listed)
    }
}

/// The moves that an audit trail has.
#[derive(Debug, Default)]
pub(super) struct Moves {
    of: BTreeMap<String, Moved>,
    /// The line of the last repair: what was lost before it may have been a move.
    repaired: Option<u64>,
}

impl Moves {
    fn note(&mut self, line: &AuditLine) {
        if line.repaired.is_some() {
            self.repaired = self.repaired.max(Some(line.number));
        }
        let event = &line.event;
        let detail = event.detail.as_ref().filter(|_| event.operation == MOVE);
        let detail = detail.and_then(|detail| Detail::deserialize(detail).ok());
        if let Some(Detail { vault, place }) = detail {
            self.of.entry(vault).or_default().note(line.number, &event.result, place);
        }
    }

    /// The place of the vault `id`, where it was moved.
    pub(super) fn newest(&self, id: &str) -> Option<&CustomerVault> {
        self.of.get(id)?.place(None)
    }

    /// The places of all vaults: those in the list `own` of this home, where it can be read, else in `older`, each where
    /// it was moved to since; and the vaults whose place nobody knows.
    pub(super) fn places(
        &self,
        own: Option<&VaultLocations<CustomerVault>>,
        older: &VaultLocations<CustomerVault>,
    ) -> (VaultLocations<CustomerVault>, Vec<String>) {
        let lists = [own, Some(older)].into_iter().flatten();
        let mut ids: BTreeSet<&str> =
            lists.flat_map(VaultLocations::iter).map(|(id, _)| id).collect();
        ids.extend(self.of.keys().map(String::as_str));
        let (mut places, mut unknown) = (VaultLocations::default(), Vec::new());
        for id in ids {
            let listed = own.and_then(|own| own.find(id, None));
            let place = match (self.of.get(id), listed) {
                (moved, Some(listed)) => {
                    moved.map_or(Some(listed), |moved| moved.place(Some(listed)))
                }
                // Nothing shows how a move ended, or that there was none in the part of the trail that is lost.
                (Some(Moved { begun: Some(_), .. }), None) => None,
                (moved, None) => {
                    let done = moved.and_then(|moved| moved.done.as_ref());
                    let is_lost = |number: Option<u64>| own.is_none() && self.repaired > number;
                    let number = done.map(|(number, _)| *number);
                    let known = done.map(|(_, place)| place).or_else(|| older.find(id, None));
                    known.filter(|_| !is_lost(number))
                }
            };
            match place {
                Some(place) => {
                    let (id, location) = (id.to_owned(), place.clone());
                    let _first_of_its_id = places.record(&NamedVault { id, location, moved: true });
                }
                None => unknown.push(id.to_owned()),
            }
        }
        (places, unknown)
    }
}

impl Service {
    /// Records that the vault `id` is moved to `place`, for a resource under a key of it where there is one.
    ///
    /// # Errors
    ///
    /// [`Failure::Audit`] where the trail cannot be written: then it must not be done.
    pub(crate) fn record_move(
        &self,
        id: &str,
        place: &CustomerVault,
        under: Option<&(ResourceId, VersionedKeyId)>,
        result: &AuditResult,
    ) -> Result<(), Failure> {
        let detail = Detail { vault: id.to_owned(), place: place.clone() };
        self.record(AuditEvent {
            key: under.map(|(_, key)| key.clone()),
            resource: under.map(|(resource, _)| resource.as_str().to_owned()),
            detail: serde_json::to_value(detail).ok(),
            ..AuditEvent::new(MOVE, result.clone())
        })
    }

    /// The home's vaults with `vault`, as [`CustomerVaults::with`] has them. Where the list lacks it, it must be where the
    /// audit trail says that it was moved to.
    ///
    /// # Errors
    ///
    /// [`Failure::VaultMoved`], and those of [`CustomerVaults::with`].
    pub(crate) fn named(
        &self,
        vault: NamedVault<CustomerVault>,
        lock_timeout: Option<Duration>,
    ) -> Result<CustomerVaults, Failure> {
        let id = vault.id.clone();
        let is_listed = self.customers().get(&id)?.is_some();
        if !is_listed
            && let Some(known) = self.moves()?.newest(&id)
            && !known.is_same(&vault.location)
        {
            return Err(self.customers().moved(known, &vault));
        }
        self.customers().with(vault, lock_timeout)
    }

    /// The moves that the audit trail has, as far as it can be read.
    ///
    /// # Errors
    ///
    /// [`Failure::Audit`] where it does not hold.
    pub(super) fn moves(&self) -> Result<Moves, Failure> {
        let mut moves = Moves::default();
        self.trail().read_all(&mut |line: &AuditLine| moves.note(line))?;
        Ok(moves)
    }

    /// True where the list of places lacks a vault that states are under or that was moved, or has an older place of it.
    ///
    /// # Errors
    ///
    /// Those of the list and of the audit trail.
    pub(super) fn lacks_places(&self, checked: &Checked) -> Result<bool, Failure> {
        let (places, moves) = (self.customers().places()?, self.moves()?);
        let mut under = checked.states.iter().filter_map(|one| one.protection.cmk());
        let is_older = |id: &str| {
            let listed = places.find(id, None);
            let moved = moves.of.get(id).and_then(|moved| moved.place(listed));
            moved.is_some_and(|moved| listed.is_none_or(|listed| !listed.is_same(moved)))
        };
        Ok(under.any(|cmk| places.find(cmk.key.vault(), None).is_none())
            || moves.of.keys().any(|id| is_older(id)))
    }
}
