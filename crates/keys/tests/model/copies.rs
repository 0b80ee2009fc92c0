//! The customer's vault and a copy of it: what each says of its keys, and where the host has it asked.

use std::sync::{Arc, Mutex};

use strongroom_keys::resource::{NamedVault, VaultDirectory, VaultLocation, VaultLocations};
use strongroom_keys::testing::FaultyVault;
use strongroom_keys::vault::{Vault, VersionedKeyId};

use crate::acts::{Act, KeyChange};
use crate::history::{Checked, History};
use crate::reference::Key;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    Original,
    Copy,
}

impl VaultLocation for Location {
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

/// Two versions of the key "documents" and the key "other"; then the version of "documents" that the original makes
/// for itself, and the one that the copy makes.
pub const KEYS: usize = 5;

/// The states of the keys in one vault.
pub type Vaults = [[Key; KEYS]; 2];

/// A vault before it has made a version of its own.
pub const NEW: [Key; KEYS] = {
    let unmade = Key { made: false, ..Key::FINE };
    [Key::FINE, Key::FINE, Key::FINE, unmade, unmade]
};

/// Changes a key in one vault.
pub fn change(vaults: &mut Vaults, at: Location, key: usize, change: KeyChange) {
    let known = &mut vaults[at as usize];
    match change {
        KeyChange::Enabled(enabled) => known[key].enabled = enabled,
        KeyChange::Deleted(deleted) => known[key].deleted = deleted,
        KeyChange::Granted(granted) => known[key].granted = granted,
        KeyChange::Made => known[3 + at as usize].made = true,
    }
}

/// The vaults as the host finds them: at the location that is recorded, or that the operation at hand names.
#[derive(Debug)]
pub struct Directory {
    pub ids: [VersionedKeyId; KEYS],
    pub vaults: [Arc<FaultyVault>; 2],
    locations: Mutex<(VaultLocations<Location>, Option<NamedVault<Location>>)>,
}

impl Directory {
    pub fn new(ids: [VersionedKeyId; KEYS], vaults: [Arc<FaultyVault>; 2]) -> Self {
        Self { ids, vaults, locations: Mutex::default() }
    }

    fn named(&self, location: Location, moved: bool) -> NamedVault<Location> {
        NamedVault { id: self.ids[0].vault().to_owned(), location, moved }
    }

    /// Names the vault for an operation; false where that is refused.
    fn name(&self, location: Location) -> bool {
        let named = self.named(location, false);
        let mut locations = self.locations.lock().unwrap();
        let fine = locations.0.check(&named).is_ok();
        locations.1 = fine.then_some(named);
        fine
    }

    /// Ends the operation that named a vault.
    pub fn end(&self, done: bool) {
        let mut locations = self.locations.lock().unwrap();
        if let (Some(named), true) = (locations.1.take(), done) {
            locations.0.record(&named).unwrap();
        }
    }

    fn move_to(&self, location: Location) {
        let named = self.named(location, true);
        self.locations.lock().unwrap().0.record(&named).unwrap();
    }

    fn recorded(&self) -> Option<Location> {
        self.locations.lock().unwrap().0.find(self.ids[0].vault(), None).copied()
    }
}

impl VaultDirectory for Directory {
    fn vault(&self, key: &VersionedKeyId, _identity: &str) -> Option<Arc<dyn Vault>> {
        let locations = self.locations.lock().unwrap();
        let location = locations.0.find(key.vault(), locations.1.as_ref())?;
        Some(Arc::clone(&self.vaults[*location as usize]) as _)
    }
}

impl History<'_> {
    /// The location, if a vault is there: before it is copied there is the original alone.
    pub fn there(&self, location: Location) -> Location {
        if self.copied { location } else { Location::Original }
    }

    pub fn copy_vault(&mut self) {
        if !self.copied {
            self.copied = true;
            let mut script = self.script();
            script.vaults[Location::Copy as usize] = script.vaults[Location::Original as usize];
            drop(script);
            self.tally.note("vaults", "copied");
        }
    }

    /// The location that an act has its vault asked at: the one that it names, else the recorded one. `Err` where that is
    /// refused, as another one is recorded.
    pub fn location_of(&mut self, act: &Act) -> Result<Option<Location>, Refused> {
        let (Act::Enable { at, .. } | Act::Rotate { at, .. }) = act else {
            return Ok(self.recorded);
        };
        let at = at.map(|at| self.there(at)).or(self.recorded).unwrap_or(Location::Original);
        let is_other = self.recorded.is_some_and(|recorded| recorded != at);
        match (self.vaults.name(at), is_other) {
            (true, false) => Ok(Some(at)),
            (false, true) => {
                self.tally.note("vaults", "another location is refused");
                Err(Refused::AsItShould)
            }
            (true, true) => Err(Refused::Taken),
            (false, false) => Err(Refused::Wrongly),
        }
    }

    /// Ends an act that may have named a location, which is recorded where it was done.
    pub fn end_naming(&mut self, act: &Act, location: Option<Location>, done: bool) -> Checked {
        let names = matches!(act, Act::Enable { .. } | Act::Rotate { .. });
        self.vaults.end(done);
        if names && done {
            if self.recorded.is_none() {
                let name = if location == Some(Location::Copy) { "copy" } else { "original" };
                self.tally.note("vaults", &format!("the {name} is recorded"));
            }
            self.recorded = location;
        }
        self.check_recorded()
    }

    fn check_recorded(&self) -> Checked {
        let found = self.vaults.recorded();
        if found == self.recorded {
            Ok(())
        } else {
            Err(format!("the vault is at {found:?} and not at {:?}", self.recorded))
        }
    }

    /// The host moves the vault, where the new location has the key that is in use.
    pub fn move_vault(&mut self, to: Location) -> Checked {
        let to = self.there(to);
        let keys = self.script().vaults[to as usize];
        let has_it = self.state.cmk.is_none_or(|cmk| keys[cmk.key].made && !keys[cmk.key].deleted);
        let is_known = self.state.cmk.is_some() || self.recorded.is_some();
        if !has_it {
            self.tally.note("vaults", "a location without the key is refused");
        } else if is_known {
            if self.recorded.is_some_and(|recorded| recorded != to) {
                self.tally.note("vaults", "moved");
            }
            self.vaults.move_to(to);
            self.recorded = Some(to);
        }
        self.check_recorded()
    }

    /// A key that is lost at the recorded location closes the resource, whatever the other vault would say.
    pub fn note_what_the_copy_says(&mut self, location: Option<Location>) {
        let (Some(location), Some(cmk)) = (location, self.state.cmk) else { return };
        if !self.copied || self.state.is_open() {
            return;
        }
        let vaults = self.script().vaults;
        let other = vaults[1 - location as usize][cmk.key];
        if !vaults[location as usize][cmk.key].is_fit() && other.is_fit() {
            self.tally.note("vaults", "closed whatever the other vault says");
        }
    }
}

/// Reason why an act that names a location is not done.
#[derive(Clone, Copy, Debug)]
pub enum Refused {
    AsItShould,
    /// It was taken, and another location is recorded.
    Taken,
    /// It was refused, and no other location is recorded.
    Wrongly,
}
