//! Tampering with states, and with the host's clock: it is noticed whatever the history before.

use std::sync::Arc;

use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{Resources, Status};
use strongroom_keys::state::StateError;
use strongroom_keys::testing::MemoryAudit;

use crate::acts::Tamper;
use crate::history::{Checked, Document, History};
use crate::trails::Trail;

/// A backup of the store.
pub struct Older {
    /// The resource's newest state in it.
    pub number: u64,
    store: Vec<(String, u64, Vec<u8>)>,
}

impl History<'_> {
    /// Checks that a state that was not signed for its place is refused, and nothing older is taken for it.
    pub fn tamper(&mut self, tamper: Tamper) -> Checked {
        match tamper {
            Tamper::RollBack(n) => return self.roll_back(n),
            Tamper::ClockAhead(hours) => return self.set_clock_ahead(hours),
            _ => {}
        }
        let store = &self.world.store;
        let before = store.snapshot();
        let mut after = before.clone();
        let newest = after.iter_mut().filter(|(name, ..)| name == self.world.id.as_str()).last();
        let (name, number, bytes) = newest.unwrap();
        match tamper {
            Tamper::Digit(n) => {
                let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
                let digits: Vec<usize> =
                    (0..line).filter(|at| bytes[*at].is_ascii_digit()).collect();
                let at = digits[n % digits.len()];
                bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            }
            Tamper::Cut(n) => bytes.truncate(n % bytes.len()),
            Tamper::Replay => {
                let replayed = (name.clone(), *number + 1, bytes.clone());
                after.push(replayed);
            }
            Tamper::RollBack(_) | Tamper::ClockAhead(_) => {}
        }
        store.restore(after);
        let seen = self.process().and_then(|other| self.status_in(&other));
        store.restore(before);
        match seen {
            Err(Error::State(_)) => Ok(()),
            other => Err(format!("a state that was tampered with gives {other:?}")),
        }
    }

    fn status_in(&self, process: &Resources) -> Result<Status, Error> {
        self.outside(|world| world.run(process.status(&world.id)))
    }

    /// Keeps a backup of the store where the resource has a newer state.
    pub fn keep_backup(&mut self) {
        let newest = self.older.last().map_or(0, |older| older.number);
        if self.trail.is_some() && self.number > newest {
            let (number, store) = (self.number, self.world.store.snapshot());
            self.older.push(Older { number, store });
        }
    }

    fn roll_back(&mut self, n: usize) -> Checked {
        if self.trail.is_some() {
            self.roll_back_behind_a_trail(n)
        } else {
            self.take_newest_away()
        }
    }

    /// Checks that a host which has seen the newest state takes none before it.
    fn take_newest_away(&self) -> Checked {
        let (store, trail) = (&self.world.store, Arc::new(MemoryAudit::default()));
        let look = || {
            self.outside(|world| {
                let host = world.run(world.config(&trail).open())?;
                world.run(host.status(&world.id))
            })
        };
        // Where the store is away there is nothing to see.
        let Ok(newest) = look() else { return Ok(()) };
        let seen = newest.number;
        let before = store.snapshot();
        let is_newest = |object: &(String, u64, Vec<u8>)| {
            object.0 == self.world.id.as_str() && object.1 == seen
        };
        store.restore(before.iter().filter(|object| !is_newest(object)).cloned().collect());
        let found = look();
        store.restore(before);
        match found {
            Err(Error::State(StateError::RolledBack { seen: known, .. })) if known == seen => {
                Ok(())
            }
            other => Err(format!("a state before {seen} gives {other:?}")),
        }
    }

    /// Puts a backup in the place of the store. Checks that a process which starts does not take it for the newest, and
    /// opens nothing while the trail is damaged, or after a repair.
    fn roll_back_behind_a_trail(&mut self, n: usize) -> Checked {
        let older = self.older.iter().filter(|older| older.number < self.number);
        let count = older.clone().count();
        let (Some(trail), Some(older)) = (&self.trail, older.clone().nth(n % count.max(1))) else {
            return Ok(());
        };
        let (known, mute) = (trail.known(), trail.is_mute_at_start());
        // What it writes there is of another history.
        let real = self.trail.as_ref().map(Trail::copy);
        let real = std::mem::replace(&mut self.trail, real);
        let newest = self.world.store.snapshot();
        self.world.store.restore(older.store.clone());
        let number = older.number;
        let status = self.process().and_then(|process| self.status_in(&process));
        let opened = self.opened_by_another();
        // After a repair nobody knows what was lost.
        let unix = self.world.clock.unix_time();
        let repaired = self.trail.as_mut().filter(|trail| !trail.is_full());
        let repaired = repaired.map_or(Ok(false), |trail| trail.repair(unix))?;
        let opened_then = if repaired { self.opened_by_another() } else { 0 };
        self.world.store.restore(newest);
        self.trail = real;
        if opened_then > 0 {
            return Err(format!("{opened_then} documents open by state {number} after a repair"));
        }
        if repaired {
            self.tally.note("trail", "a rollback before a repair opens nothing");
        }
        let is_seen = matches!(
            status,
            Err(Error::State(StateError::RolledBack { .. } | StateError::Replaced { .. }))
        );
        if opened > 0 {
            return Err(format!("{opened} documents open by state {number}"));
        } else if known > number && !is_seen {
            return Err(format!(
                "state {number} is taken, and the trail knows {known}: {status:?}"
            ));
        }
        let name = match (is_seen, mute) {
            (true, false) => "a rollback is seen",
            (true, true) => "a rollback is seen, and the trail takes nothing",
            (false, true) => "a rollback may be hidden, and nothing opens",
            (false, false) => return Err(format!("state {number} is taken: {status:?}")),
        };
        self.tally.note("trail", name);
        Ok(())
    }

    /// The number of documents that another process opens.
    pub fn opened_by_another(&self) -> usize {
        self.process().map_or(0, |process| {
            self.outside(|world| {
                let opens =
                    |document: &&Document| world.open_in(&process, &document.sealed).is_ok();
                self.documents.iter().filter(opens).count()
            })
        })
    }

    /// Checks that nothing is destroyed by a clock that is ahead.
    fn set_clock_ahead(&self, hours: u64) -> Checked {
        let clock = &self.world.clock;
        let right = clock.unix_time();
        let (ahead, changes) = (right + hours * 3600, self.world.store.changes());
        clock.set_unix_time(ahead);
        let done = self.outside(|world| {
            let swept = world.run(world.resources.sweep(ahead)).map(drop);
            [swept, world.run(world.resources.shred_due(ahead)).map(drop)]
        });
        clock.set_unix_time(right);
        let is_refused = |done: &Result<(), Error>| matches!(done, Err(Error::Time { .. }));
        if done.iter().all(is_refused) && self.world.store.changes() == changes {
            Ok(())
        } else {
            Err(format!("{hours} hours ahead: {done:?}"))
        }
    }
}
