//! Withdrawals that are not persisted yet. This process acts as if they were.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::{Mutex, MutexGuard};

use super::transition::Event;
use crate::id::ResourceId;
use strongroom_vault::lock;

/// Events to persist, those of a resource in their order.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<Queues>);

#[derive(Debug, Default)]
struct Queues {
    of: BTreeMap<ResourceId, Vec<(PendingId, Event)>>,
    next: u64,
}

/// Identifies a pending event, which may be replaced before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingId(u64);

impl Pending {
    /// Notes `event` behind the others of the resource. Where the last of them differs by its time only,
    /// that one stays. A move takes the place of an earlier move: the host's latest statement counts.
    pub(crate) fn push(&self, id: &ResourceId, event: Event) -> PendingId {
        let mut queues = self.lock();
        let new = PendingId(queues.next);
        queues.next = queues.next.wrapping_add(1);
        let queue = queues.of.entry(id.clone()).or_default();
        if let Event::Moved { .. } = event {
            queue.retain(|(_, earlier)| !matches!(earlier, Event::Moved { .. }));
        }
        match queue.last() {
            Some((last, earlier)) if is_repeated(earlier, &event) => *last,
            _ => {
                queue.push((new, event));
                new
            }
        }
    }

    /// The event to write next.
    pub(crate) fn first(&self, id: &ResourceId) -> Option<(PendingId, Event)> {
        self.lock().of.get(id)?.first().cloned()
    }

    /// True while the event is still to be written.
    pub(crate) fn waits(&self, id: &ResourceId, event: PendingId) -> bool {
        let queues = self.lock();
        queues.of.get(id).is_some_and(|queue| queue.iter().any(|(each, _)| *each == event))
    }

    /// Removes an event that was written, or that has nothing to withdraw.
    pub(crate) fn done(&self, id: &ResourceId, event: PendingId) {
        let mut queues = self.lock();
        let Some(queue) = queues.of.get_mut(id) else { return };
        queue.retain(|(each, _)| *each != event);
        if queue.is_empty() {
            queues.of.remove(id);
        }
    }

    /// The number of resources with pending events.
    pub(crate) fn resources(&self) -> usize {
        self.lock().of.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        lock(&self.0)
    }
}

/// True where two events differ by their time at most.
fn is_repeated(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Refused { key: one, .. }, Event::Refused { key: other, .. }) => one == other,
        _ => discriminant(one) == discriminant(other),
    }
}
