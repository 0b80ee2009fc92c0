//! Knowledge of a trail, for its own service when that starts again: the states, the changes that were begun, and
//! the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::AuditError;
use super::event::{AuditEvent, AuditResult};
use super::text::printable;
use crate::hex;

/// One state of one name, as a trail records it: its number, and the MAC that it is signed with.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::StateMark;
///
/// let mark = StateMark { name: "contoso".to_owned(), number: 7, mac: [0xa5; 32] };
/// assert_eq!(mark.to_string(), format!("\"contoso\"/7:{}", "a5".repeat(32)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateMark {
    /// Name of the resource, or of the service's own state.
    pub name: String,
    /// The object's number.
    pub number: u64,
    /// The object's MAC.
    #[serde(with = "hex")]
    pub mac: [u8; 32],
}

impl fmt::Display for StateMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"/{}:{}", printable(&self.name), self.number, hex::encode(&self.mac))
    }
}

/// A time that was taken for right, and the clock's own count at that moment, both in seconds.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::TimeMark;
///
/// let mark = TimeMark { time: 1_790_000_000, elapsed: 812 };
/// assert_eq!(mark.to_string(), "1790000000 after 812 s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeMark {
    /// Since 1970.
    pub time: u64,
    /// Of [`Clock::elapsed`](crate::clock::Clock::elapsed), which starts anew with the machine.
    pub elapsed: u64,
}

impl fmt::Display for TimeMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} s", self.time, self.elapsed)
    }
}

/// Doubt about states after a part of a trail was closed as damaged. States may have been recorded there alone, and
/// while it was damaged some were recorded nowhere: whether what is there is the newest one is for somebody to confirm.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditEvent, AuditResult, Doubt, Known, StateMark};
///
/// let mut known = Known { all_in_doubt: true, ..Known::default() }; // a repair just now
/// let event = |state, doubt| AuditEvent {
///     state,
///     doubt,
///     ..AuditEvent::new("look-at-state", AuditResult::Done)
/// };
/// let mark = StateMark { name: "contoso".to_owned(), number: 7, mac: [0xa5; 32] };
/// known.note(&event(Some(mark.clone()), Some(Doubt::Raised)));
/// known.note(&event(None, Some(Doubt::Limited)));
/// assert!(known.in_doubt.contains("contoso") && !known.all_in_doubt);
/// known.note(&event(Some(mark), None));
/// assert!(known.in_doubt.is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The state may not be the newest one of its name.
    Raised,
    /// All states that there were have been looked at: only names of which a doubt was raised are in doubt.
    Limited,
    /// The name has no state any more, and nothing to wait for, as somebody has confirmed.
    Lost,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raised => "raised",
            Self::Limited => "limited",
            Self::Lost => "lost",
        })
    }
}

/// A change that was begun, and of which the trail has no outcome.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{BegunChange, StateMark};
///
/// let from = StateMark { name: "contoso".to_owned(), number: 7, mac: [0xa5; 32] };
/// let begun = BegunChange { operation: "revoke".to_owned(), from, detail: serde_json::Value::Null };
/// assert_eq!(begun.from.number, 7);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunChange {
    /// Its name.
    pub operation: String,
    /// The state that it was begun from.
    pub from: StateMark,
    /// Data that the service needs to carry it out.
    pub detail: Value,
}

/// Knowledge of a trail. Only outcomes count: what was begun says nothing of a state.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditEvent, AuditResult, Known, StateMark};
///
/// let mark = |number| StateMark { name: "contoso".to_owned(), number, mac: [0xa5; 32] };
/// let event = |result, number| AuditEvent {
///     state: Some(mark(number)),
///     detail: Some(serde_json::json!({})),
///     ..AuditEvent::new("revoke", result)
/// };
/// let mut known = Known::default();
/// known.note(&event(AuditResult::Begun, 6));
/// assert_eq!((known.begun.len(), known.states.len()), (1, 0));
/// known.note(&event(AuditResult::Done, 7));
/// assert_eq!((known.begun.len(), &known.states["contoso"]), (0, &mark(7)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The trail's id, in hexadecimal; `None` before its first line, and of sinks that have none.
    pub trail: Option<String>,
    /// The newest state of each name.
    pub states: BTreeMap<String, StateMark>,
    /// Withdrawals that were begun and not followed by another state.
    pub begun: Vec<BegunChange>,
    /// The time that was marked last.
    pub time: Option<TimeMark>,
    /// True once a part of the trail was closed as damaged, for ever.
    #[serde(default)]
    pub was_repaired: bool,
    /// True after a repair, until all states were looked at: each may be older than one that the damaged part held.
    #[serde(default)]
    pub all_in_doubt: bool,
    /// The names whose newest state the damaged part may have held, until a state of theirs is recorded without doubt.
    #[serde(default)]
    pub in_doubt: BTreeSet<String>,
    /// The names whose states are lost for good, as somebody has confirmed, until one is recorded again.
    #[serde(default)]
    pub lost: BTreeSet<String>,
    /// Damage of the trail, where there is some; the rest is of what holds.
    #[serde(skip)]
    pub damage: Option<AuditError>,
}

impl Known {
    /// Takes `event` into account, which follows those before.
    pub fn note(&mut self, event: &AuditEvent) {
        match (&event.result, &event.state, &event.detail) {
            (AuditResult::Begun, Some(from), Some(detail)) => {
                let (operation, from) = (event.operation.clone(), from.clone());
                let begun = BegunChange { operation, from, detail: detail.clone() };
                if !self.begun.contains(&begun) {
                    self.begun.push(begun);
                }
            }
            (AuditResult::Done, Some(state), _) => {
                self.note_state(state);
                let among = |names: &mut BTreeSet<String>, doubt| {
                    if event.doubt == Some(doubt) {
                        names.insert(state.name.clone());
                    } else {
                        names.remove(&state.name);
                    }
                };
                among(&mut self.in_doubt, Doubt::Raised);
                among(&mut self.lost, Doubt::Lost);
            }
            _ => {}
        }
        if event.doubt == Some(Doubt::Limited) {
            self.all_in_doubt = false;
        }
        if event.result == AuditResult::Done {
            self.time = event.clock.or(self.time);
        }
    }

    /// Takes a state into account that there was, whatever was before or after it.
    pub(super) fn note_state(&mut self, state: &StateMark) {
        let known = self.states.get(&state.name).map_or(0, |known| known.number);
        if state.number >= known {
            self.states.insert(state.name.clone(), state.clone());
        }
        let overtaken =
            |begun: &BegunChange| begun.from.name == state.name && begun.from.number < state.number;
        self.begun.retain(|begun| !overtaken(begun));
    }

    /// Adds what `earlier` knows, which an earlier look at the trail gave.
    pub(super) fn add(&mut self, earlier: Self) {
        self.trail = self.trail.take().or(earlier.trail);
        self.time = self.time.or(earlier.time);
        for begun in earlier.begun {
            if !self.begun.contains(&begun) {
                self.begun.push(begun);
            }
        }
        let states: Vec<StateMark> =
            self.states.values().chain(earlier.states.values()).cloned().collect();
        for state in &states {
            self.note_state(state);
        }
    }
}

/// Outlines by the names of their states.
pub(super) type Outlines = BTreeMap<String, (StateMark, Value)>;

/// Takes the outline of the state of `event` into `outlines`, where it is one and no newer one is known.
pub(super) fn note_outline(outlines: &mut Outlines, event: &AuditEvent) {
    if let (AuditResult::Done, Some(state), Some(detail)) =
        (&event.result, &event.state, &event.detail)
    {
        let known = outlines.get(&state.name).map_or(0, |(known, _)| known.number);
        if state.number >= known {
            outlines.insert(state.name.clone(), (state.clone(), detail.clone()));
        }
    }
}
