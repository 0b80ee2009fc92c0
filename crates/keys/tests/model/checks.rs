//! Holds what a step came to against the reference: the outcome, the state after it, documents and leases.

use std::time::Duration;

use strongroom::document::Header;
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::testing::Operation;
use strongroom_keys::vault::DeniedReason;

use crate::acts::{Act, DELETION_GRACE, SHRED_GRACE};
use crate::copies::{KEYS, Location};
use crate::faults::{Asked, Said};
use crate::history::{Checked, History};
use crate::reference::{Cause, Closing, Due, Key, Kind, State};
use crate::trails::Trail;

/// After this time keys are asked for again.
const REFRESH: Duration = Duration::from_secs(60);
/// After this time they do not serve any more.
const MAX_AGE: Duration = Duration::from_secs(300);

impl History<'_> {
    pub fn check_due(&self, now: State, due: Option<u64>, began: u64) -> Checked {
        let Kind::Pending(cause) = now.kind else { return Ok(()) };
        let due = due.unwrap();
        let ended = self.world.clock.unix_time();
        let fine = if now.kind == self.state.kind {
            Some(due) == self.due
        } else {
            let deleted = cause == Cause::ResourceDeleted;
            let grace = if deleted { DELETION_GRACE } else { SHRED_GRACE };
            let earliest = self.due.unwrap_or(u64::MAX);
            // What was heeded and is written now counts from the time at which it was said.
            let since_heeded = !self.unwritten.is_empty() && due <= ended + grace;
            (earliest.min(began + grace)..=earliest.min(ended + grace)).contains(&due)
                || since_heeded
        };
        if fine { Ok(()) } else { Err(format!("due at {due}, and it is {ended}")) }
    }

    pub fn check(
        &mut self,
        step: &Taken<'_>,
        done: Option<&Result<(), Error>>,
        now: State,
    ) -> Checked {
        let elsewhere = |one: &&Asked| one.customer && one.location != step.location;
        if let Some(asked) = step.asked.iter().find(elsewhere) {
            return Err(format!("a vault is asked that is not at {:?}: {asked:?}", step.location));
        }
        let at = step.location.unwrap_or(Location::Original);
        let keys = step.effective_keys(self.script().vaults[at as usize]);
        let unix = self.world.clock.unix_time();
        let due = Due {
            now: self.due.is_some_and(|due| due <= unix),
            deletion_is_over: self.deleted.is_some_and(|at| at + DELETION_GRACE <= unix),
        };
        let bases = match self.heeded() {
            None => vec![self.state],
            Some(heeded) if step.writes_first() => vec![heeded],
            Some(heeded) => vec![self.state, heeded],
        };
        let mut reasons = Vec::new();
        for base in bases {
            let expected = match step.act {
                Act::Seal { .. } | Act::Open(_) => step.served(base),
                act => base.after(act, &keys, due),
            };
            match self.agrees(step, base, expected, done, now) {
                Ok(()) => return Ok(()),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(format!("{}; asked {:?}", reasons.join(", or "), step.asked))
    }

    fn agrees(
        &mut self,
        step: &Taken<'_>,
        base: State,
        expected: Result<State, State>,
        done: Option<&Result<(), Error>>,
        now: State,
    ) -> Checked {
        let then = expected.unwrap_or_else(|then| then);
        let as_expected = now == then;
        let wrong = |what: &str| {
            Err(format!("{what}: expected {expected:?} and found {now:?} with {done:?}"))
        };
        if let Some(Ok(())) = done {
            if expected.is_err() || !as_expected {
                return wrong("it was done");
            }
            let whole = self.world.store.numbers(self.world.id.as_str()).len();
            if matches!(step.act, Act::ShredDue) && now.kind == Kind::Shredded && whole != 1 {
                return wrong(&format!("{whole} states have keys"));
            }
            return if step.is_document() { self.check_served(step, base) } else { Ok(()) };
        }
        let may_wait = !step.was_calm || !self.unwritten.is_empty();
        let excused = step.is_document() && (self.is_gone(step) || may_wait);
        if !step.troubled && !excused && (expected.is_ok() || !as_expected) {
            return wrong("it was refused");
        }
        let mut allowed = vec![self.state, base, then];
        allowed.extend(self.on_the_way());
        allowed.extend(step.refusals(base).map(|reason| base.denied(Cause::Vault(reason))));
        allowed.extend(step.identity_is_gone().then(|| base.denied(Cause::IdentityDisabled)));
        if let (Act::Rotate { to, .. }, true) = (step.act, base.in_use()) {
            allowed.extend([Kind::Rotating(*to), Kind::Active].map(|kind| State { kind, ..base }));
        }
        if allowed.contains(&now) { Ok(()) } else { wrong("it failed") }
    }

    /// True where the document does not exist any more, by its time.
    fn is_gone(&self, step: &Taken<'_>) -> bool {
        let Act::Open(n) = step.act else { return false };
        let document = self.documents.get(n % self.documents.len().max(1));
        let expires_at = document.map(|document| document.expires_at);
        expires_at.is_none_or(|at| at.is_some_and(|at| at <= self.world.clock.unix_time()))
    }

    /// A document was served: under the right keys, which are not too old.
    fn check_served(&mut self, step: &Taken<'_>, base: State) -> Checked {
        let sides = if base.in_use() { 2 } else { 1 };
        let oldest =
            self.unwrapped[..sides].iter().map(|at| at.map(|at| step.start.saturating_sub(at)));
        let limit = if step.troubled || !step.was_calm { MAX_AGE } else { REFRESH };
        for age in oldest {
            if age.is_none_or(|age| age >= limit) {
                return Err(format!("served with keys of age {age:?}"));
            }
        }
        let Act::Seal { result, .. } = step.act else { return Ok(()) };
        let header = Header::parse(&self.documents.last().unwrap().sealed).unwrap();
        let covered = base.in_use() && base.cmk.is_some_and(|cmk| cmk.all || !result);
        if (header.layers() == 2) != covered {
            return Err(format!("sealed in {} layers", header.layers()));
        }
        if covered {
            let customer = header.recipients().iter().find(|one| one.layer() == 2).unwrap();
            let id = customer.key_id().as_str().to_owned();
            let epoch = *self.epochs.entry(id.clone()).or_insert(base.epoch);
            if epoch != base.epoch {
                return Err(format!("{id} of epoch {epoch} serves in epoch {}", base.epoch));
            }
        }
        Ok(())
    }

    /// Notes what the process could not write.
    pub fn note_unwritten(&mut self, step: &Taken<'_>, refused: bool, now: State) -> Checked {
        let told = step.closing(self.state);
        let closing = told.filter(|closing| !self.state.closed_by(*closing).is_open());
        if self.world.resources.pending() == 0 {
            self.unwritten.clear();
            let by_the_host = matches!(step.act, Act::Revoke | Act::Delete | Act::Move { .. });
            let forgotten = refused && closing.is_some() && now.is_open();
            return if forgotten && by_the_host {
                Err("what ends access is neither written nor heeded".to_owned())
            } else {
                Ok(())
            };
        }
        // A process that has not seen the resource keeps what it was told, whether it closes or not.
        let kept = if self.knows { closing } else { told };
        if matches!(told, Some(Closing::Moved { .. })) {
            self.unwritten.retain(|earlier| !matches!(earlier, Closing::Moved { .. }));
        }
        self.unwritten.extend(kept.filter(|kept| self.unwritten.last() != Some(kept)));
        if self.unwritten.is_empty() {
            Err(format!("something is unwritten, and the state is {now:?}"))
        } else {
            Ok(())
        }
    }

    /// Checks that an open document reads on only while there is access and the keys are not too old.
    pub fn check_opened(&self) -> Checked {
        let state = self.heeded().unwrap_or(self.state);
        let now = self.world.clock.elapsed();
        for opened in &self.opened {
            if !opened.reads()? {
                continue;
            }
            if !state.is_open() {
                return Err("an open document is read on".to_owned());
            }
            let sides = if state.in_use() && opened.customer { 2 } else { 1 };
            for at in &self.unwrapped[..sides] {
                if at.is_none_or(|at| now.saturating_sub(at) >= MAX_AGE) {
                    return Err(format!(
                        "an open document is read on with keys of {at:?} at {now:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Another process opens everything, or nothing.
    pub fn check_documents(&self) -> Checked {
        let keys = self.recorded.map(|at| self.script().vaults[at as usize]);
        let state = self.state;
        let usable = match state.cmk.filter(|_| state.in_use()) {
            Some(cmk) => {
                keys.is_some_and(|keys| keys[cmk.key].refusal(Operation::UnwrapKey).is_none())
            }
            None => true,
        };
        // Nobody who starts may open anything while the trail does not take it.
        let opens = state.is_open() && !self.trail.as_ref().is_some_and(Trail::is_mute_at_start);
        let other = self.process().map_err(|error| format!("no process starts: {error}"))?;
        if state.is_open() && !usable {
            return Ok(()); // the look itself would close it
        }
        self.outside(|world| {
            let unix = world.clock.unix_time();
            for (n, document) in self.documents.iter().enumerate() {
                if document.expires_at.is_some_and(|at| at <= unix) {
                    continue;
                }
                match (world.open_in(&other, &document.sealed), opens) {
                    (Ok(()), true) | (Err(_), false) => {}
                    (opened, _) => return Err(format!("document {n} in {state:?}: {opened:?}")),
                }
            }
            Ok(())
        })
    }
}

/// Record of one step.
pub struct Taken<'a> {
    pub act: &'a Act,
    pub asked: &'a [Asked],
    /// The location at which the customer's vault is asked.
    pub location: Option<Location>,
    pub troubled: bool,
    pub was_calm: bool,
    pub start: Duration,
    pub identity_stood: Option<Duration>,
}

impl Taken<'_> {
    pub fn is_document(&self) -> bool {
        self.act.is_document()
    }

    /// True where documents may depend on other keys now than before.
    pub fn replaces_keys(&self) -> bool {
        use Act::{Rotate, RotateResourceKey, RotateServiceKey, Sweep};
        matches!(self.act, Rotate { .. } | RotateResourceKey | RotateServiceKey | Sweep)
    }

    /// The customer's vault refused the key in use.
    fn refusals(&self, base: State) -> impl Iterator<Item = DeniedReason> {
        let key = base.cmk.map(|cmk| cmk.key);
        self.asked.iter().filter(move |one| one.key == key && key.is_some()).filter_map(|one| {
            match one.said {
                Said::Refused(reason) if one.operation == Operation::UnwrapKey => Some(reason),
                _ => None,
            }
        })
    }

    /// Keys were asked for, and for the whole of their time the vault has not known the identity.
    fn identity_is_gone(&self) -> bool {
        let stood = |since| self.start.saturating_sub(since) + REFRESH >= MAX_AGE;
        self.is_document() && self.identity_stood.is_some_and(stood)
    }

    /// The event that took access away in this step.
    fn closing(&self, base: State) -> Option<Closing> {
        let by_the_vault = self.refusals(base).next().map(Cause::Vault);
        let gone = self.identity_is_gone().then_some(Cause::IdentityDisabled);
        by_the_vault.or(gone).map(Closing::Denied).or(match self.act {
            Act::Revoke => Some(Closing::Denied(Cause::Revoked)),
            Act::IdentityDisabled => Some(Closing::Denied(Cause::IdentityDisabled)),
            Act::Move { away } => Some(Closing::Moved { away: *away }),
            Act::Delete => Some(Closing::Deleted),
            _ => None,
        })
    }

    /// A document is served from memory, or the vault is asked, which may refuse.
    fn served(&self, base: State) -> Result<State, State> {
        if !base.is_open() {
            return Err(base);
        }
        match self.refusals(base).next() {
            Some(reason) => Err(base.denied(Cause::Vault(reason))),
            None => Ok(base),
        }
    }

    /// The keys as the vault spoke of them: only its word, heard now, says that one is lost for good.
    fn effective_keys(&self, mut keys: [Key; KEYS]) -> [Key; KEYS] {
        if matches!(self.act, Act::ShredDue) {
            keys = [Key::FINE; KEYS];
            for one in self.asked {
                if let (Some(key), Said::Refused(_)) = (one.key, one.said) {
                    keys[key].granted[one.operation as usize] = false;
                }
            }
        }
        keys
    }

    /// True where pending changes are written before this is looked at.
    fn writes_first(&self) -> bool {
        matches!(
            self.act,
            Act::Seal { .. }
                | Act::Open(_)
                | Act::Enable { .. }
                | Act::Disable
                | Act::Rotate { .. }
                | Act::RotateResourceKey
                | Act::Refresh
                | Act::Restore
        )
    }
}
