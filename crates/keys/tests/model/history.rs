//! Plays a history on a real resource; `checks` holds every step against the reference.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{DocumentError, LeasedOpener, Resources};
use strongroom_keys::testing::Operation;
use strongroom_keys::vault::DeniedReason;
use strongroom_keys::{Error, block_on};

use crate::acts::{Act, Bad, Step, Trouble};
use crate::checks::Taken;
use crate::copies::{self, Directory, Location, Refused};
use crate::faults::{self, Asked, Rig, Said, Script};
use crate::reference::{Cause, Closing, Key, Kind, State};
use crate::tally::{Tally, variant};
use crate::tampering::Older;
use crate::trails::Trail;
use crate::world::World;

/// `Err` says where the resource and the reference differ.
pub type Checked = Result<(), String>;

pub struct Document {
    pub sealed: Vec<u8>,
    pub expires_at: Option<u64>,
}

/// An open document.
pub struct Opened {
    pub opener: LeasedOpener,
    pub sealed: Vec<u8>,
    /// True where the customer's keys are part of it.
    pub customer: bool,
}

impl Opened {
    /// Reads the document, which must then be the one that was sealed; false where its lease refuses.
    pub fn reads(&self) -> Result<bool, String> {
        match self.opener.open_slice(&self.sealed) {
            Ok(text) if text == b"text" => Ok(true),
            Err(DocumentError::Resource(_)) => Ok(false),
            other => Err(format!("with the resource's keys a document opens as {other:?}")),
        }
    }
}

pub struct History<'t> {
    pub world: World,
    script: Arc<Mutex<Script>>,
    pub vaults: Arc<Directory>,
    /// True once the customer's vault was copied.
    pub copied: bool,
    /// The location of the customer's vault that the host has recorded.
    pub recorded: Option<Location>,
    /// The audit trail, where it is on a disk.
    pub trail: Option<Trail>,
    /// Backups of the store, from the oldest.
    pub older: Vec<Older>,
    pub state: State,
    /// Number of the newest state.
    pub number: u64,
    /// Events that took access away, which this process heeds and could not write.
    pub unwritten: Vec<Closing>,
    /// True where it has seen the resource.
    pub knows: bool,
    /// Time from which the keys may be destroyed.
    pub due: Option<u64>,
    /// Time at which the resource was deleted.
    pub deleted: Option<u64>,
    pub documents: Vec<Document>,
    pub opened: Vec<Opened>,
    /// Epoch of each customer key.
    pub epochs: BTreeMap<String, u64>,
    /// Times at which this process last had an answer to an unwrap: service, customer.
    pub unwrapped: [Option<Duration>; 2],
    /// Time until which the process may leave a vault alone.
    troubled_until: Duration,
    /// Time at which the customer's vault ceased to know the identity.
    identity_since: Option<Duration>,
    pub tally: &'t mut Tally,
}

impl<'t> History<'t> {
    pub fn new(lines: Option<usize>, tally: &'t mut Tally) -> Self {
        let script = Script::new();
        let Rig { world, vaults, trail } = faults::rig(&script, lines);
        let now = world.clock.elapsed();
        let mut history = Self {
            world,
            script,
            vaults,
            copied: false,
            recorded: None,
            trail,
            older: Vec::new(),
            state: State::NEW,
            number: 1,
            unwritten: Vec::new(),
            knows: true,
            due: None,
            deleted: None,
            documents: Vec::new(),
            opened: Vec::new(),
            epochs: BTreeMap::new(),
            unwrapped: [Some(now), None],
            troubled_until: Duration::ZERO,
            identity_since: None,
            tally,
        };
        if history.trail.is_some() {
            history.tally.note("trail", "on a disk");
            history.restart(); // as the one that has this trail
        }
        history
    }

    pub fn play(mut self, steps: &[Step]) -> Checked {
        for (number, step) in steps.iter().enumerate() {
            self.step(step).map_err(|wrong| {
                let (state, unwritten) = (self.state, &self.unwritten);
                format!(
                    "step {number}, {step:?}: {wrong}; before: {state:?}, unwritten: {unwritten:?}"
                )
            })?;
        }
        self.end().map_err(|wrong| format!("at the end: {wrong}; {:?}", self.state))?;
        self.tally.note("history", "");
        Ok(())
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// The state that this process acts by, where some of it is unwritten.
    pub fn heeded(&self) -> Option<State> {
        self.on_the_way().last().copied()
    }

    /// The states from the written one to that which this process acts by.
    pub fn on_the_way(&self) -> Vec<State> {
        let states = self.unwritten.iter().scan(self.state, |state, closing| {
            *state = state.closed_by(*closing);
            Some(*state)
        });
        states.collect()
    }

    /// Looks without touching: nothing goes wrong meanwhile.
    pub fn outside<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.script().paused = true;
        let seen = look(&self.world);
        self.script().paused = false;
        seen
    }

    /// Another process on the same host, with nothing in memory.
    pub fn process(&self) -> Result<Resources, Error> {
        let config = self.world.config(&self.world.audit);
        let config = config.with_vaults(Arc::clone(&self.vaults) as _);
        self.outside(|world| match &self.trail {
            Some(trail) => block_on(config.with_audit(trail.sink()).open()),
            None => world.run(config.open()),
        })
    }

    fn restart(&mut self) {
        let again = self.process().unwrap();
        if let Some(trail) = &mut self.trail {
            trail.restarted(self.tally);
        }
        self.opened.clear();
        self.world.resources = again;
        self.unwritten.clear();
        self.knows = false;
        self.unwrapped = [None; 2];
        self.troubled_until = Duration::ZERO;
        self.identity_since = None;
    }

    fn step(&mut self, step: &Step) -> Checked {
        self.tally.note("step", &variant(&step.act));
        match &step.act {
            Act::Pass(seconds) => self.world.clock.advance(Duration::from_secs(*seconds)),
            Act::Restart => self.restart(),
            Act::KeyChange { at, key, change } => {
                let at = self.there(*at);
                copies::change(&mut self.script().vaults, at, *key, *change);
            }
            Act::CopyVault => self.copy_vault(),
            Act::MoveVault(to) => self.move_vault(*to)?,
            Act::Outage(bad) => self.script().outage = Some(*bad),
            Act::Back => self.script().outage = None,
            Act::AllWell => self.all_well(),
            Act::Tamper(tamper) => self.tamper(*tamper)?,
            Act::Trail(harm) => self.harm(*harm)?,
            Act::Repair => self.repair()?,
            act => self.act(act, step.trouble)?,
        }
        self.check_opened()
    }

    fn all_well(&self) {
        let mut script = self.script();
        script.outage = None;
        for key in script.vaults.as_flattened_mut() {
            *key = Key { made: key.made, ..Key::FINE };
        }
    }

    fn act(&mut self, act: &Act, trouble: Trouble) -> Checked {
        let once = match trouble {
            Trouble::Vault { customer, request, bad } => Some((customer, request, bad)),
            _ => None,
        };
        let location = match self.location_of(act) {
            Ok(location) => location,
            Err(Refused::AsItShould) => return Ok(()),
            Err(other) => return Err(format!("refused: {other:?}, recorded: {:?}", self.recorded)),
        };
        self.script().begin(once);
        let mute = self.trail.as_ref().is_some_and(Trail::is_mute);
        let store = Arc::clone(&self.world.store);
        match trouble {
            Trouble::StoreAfter { changes, .. } => store.fail_after(Some(changes)),
            Trouble::StoreDown => store.fail(true),
            Trouble::AuditDown => self.fail_trail(true),
            Trouble::None | Trouble::Vault { .. } => {}
        }
        let start = self.world.clock.elapsed();
        let began = self.world.clock.unix_time();
        let mut done = self.perform(act)?;
        store.fail(false);
        store.fail_after(None);
        self.fail_trail(false);
        let (asked, injected) = self.script.lock().unwrap().end(self.tally);
        let elsewhere = !matches!(trouble, Trouble::None | Trouble::Vault { .. });
        if elsewhere {
            self.tally.note("trouble", &variant(&trouble));
        }
        let is_lost = self.state.cmk.is_some() && location.is_none(); // a process ended before it was recorded
        let troubled = injected || elsewhere || is_lost || (mute && !act.only_closes());
        if troubled {
            self.tally.note("step in trouble", "");
        }
        if matches!(trouble, Trouble::StoreAfter { crash: true, .. }) {
            done = None;
        }
        self.end_naming(act, location, matches!(done, Some(Ok(()))))?;
        let was_calm = start >= self.troubled_until;
        let identity_stood = self.identity_since;
        self.note(&asked, troubled);
        let outcome = match &done {
            Some(Ok(())) => "done",
            Some(Err(_)) => "refused",
            None => "crashed",
        };
        self.tally.note(outcome, &variant(act));
        if done.is_none() {
            let unwritten = self.unwritten.clone();
            self.restart();
            self.unwritten = unwritten; // it may have been written just before
        }

        let seen = self.look()?;
        let (now, due, deleted) = (seen.state, seen.due, seen.deleted);
        self.check_due(now, due, began)?;
        if mute {
            self.check_mute(act, done.as_ref(), &seen)?;
            if act.only_closes() && matches!(done, Some(Err(Error::Unrecorded { .. }))) {
                done = Some(Ok(())); // access has ended, as it is to be
            }
        }
        let step =
            Taken { act, asked: &asked, location, troubled, was_calm, start, identity_stood };
        self.check(&step, done.as_ref(), now)?;
        let refused = matches!(done, Some(Err(_)));
        self.note_unwritten(&step, refused, now)?;
        self.knows |= matches!(done, Some(Ok(())));
        let changed = now != self.state;
        (self.state, self.due, self.deleted, self.number) = (now, due, deleted, seen.number);
        self.keep_backup();
        if changed {
            self.tally.note("state", &now.name());
            self.note_what_the_copy_says(location);
        } else if !step.replaces_keys() {
            return Ok(());
        }
        if changed && step.is_document() && now.kind == Kind::Denied(Cause::IdentityDisabled) {
            self.tally.note("state", "closed by the identity's answers");
        }
        self.check_documents()
    }

    /// Notes what this process heard.
    fn note(&mut self, asked: &[Asked], troubled: bool) {
        for one in asked {
            let unwraps = one.operation == Operation::UnwrapKey;
            let pause = match one.said {
                Said::Answer if unwraps => {
                    self.unwrapped[usize::from(one.customer)] = Some(one.at);
                    if one.customer {
                        self.identity_since = None;
                    }
                    0
                }
                Said::Bad(Bad::Refuse(reason)) => {
                    if one.customer && reason == DeniedReason::Identity {
                        self.identity_since.get_or_insert(one.at);
                    }
                    // A word about the service's own key is definite: it is heeded for the refresh time.
                    if one.customer { 3 } else { 61 }
                }
                Said::Bad(Bad::Throttle(Some(seconds))) => seconds + 2,
                Said::Bad(_) => 6,
                _ => 0,
            };
            let until = one.at + Duration::from_secs(pause);
            self.troubled_until = self.troubled_until.max(until);
        }
        if troubled {
            let until = self.world.clock.elapsed() + Duration::from_secs(6);
            self.troubled_until = self.troubled_until.max(until);
        }
    }

    /// Once all is well again, nothing is lost that was not shredded.
    fn end(&mut self) -> Checked {
        self.all_well();
        self.mend()?;
        self.restart();
        if self.recorded.is_none() {
            self.move_vault(Location::Original)?;
        }
        if self.recorded.is_none() {
            self.move_vault(Location::Copy)?;
        }
        if self.state.kind == Kind::Pending(Cause::ResourceDeleted) {
            self.act(&Act::Restore, Trouble::None)?;
        }
        if self.state.kind != Kind::Shredded {
            self.act(&Act::Move { away: false }, Trouble::None)?;
            self.act(&Act::Refresh, Trouble::None)?;
            if !self.state.is_open() {
                return Err("it stays closed".to_owned());
            }
            self.act(&Act::Enable { key: 0, at: None, all: true, shred: false }, Trouble::None)?;
            self.act(&Act::Seal { result: true, hours: None }, Trouble::None)?;
        }
        self.check_documents()?;
        self.check_trail()
    }
}
