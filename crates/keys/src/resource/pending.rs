//! What takes access away and could not be written yet: heeded by this process until it is.

use std::collections::HashMap;
use std::mem::discriminant;
use std::sync::Mutex;

use super::ResourceId;
use super::repository::lock;
use super::transition::Event;

/// Events that wait to be written, those of a resource in their order.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<Queues>);

#[derive(Debug, Default)]
struct Queues {
    of: HashMap<ResourceId, Vec<(Ticket, Event)>>,
    next: u64,
}

/// Which of them: another one may have taken its place by the time it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Pending {
    /// Has `event` wait behind the others of the resource; where it says what the last of them does, the
    /// earlier time stays.
    pub(crate) fn push(&self, id: &ResourceId, event: Event) {
        let mut queues = lock(&self.0);
        let ticket = Ticket(queues.next);
        queues.next = queues.next.wrapping_add(1);
        let queue = queues.of.entry(id.clone()).or_default();
        // The host's latest word on the tenant is the one that counts.
        if let Event::Moved { .. } = event {
            queue.retain(|(_, earlier)| !matches!(earlier, Event::Moved { .. }));
        }
        if !queue.last().is_some_and(|(_, last)| says_the_same(last, &event)) {
            queue.push((ticket, event));
        }
    }

    /// The one that is to be written next.
    pub(crate) fn first(&self, id: &ResourceId) -> Option<(Ticket, Event)> {
        lock(&self.0).of.get(id)?.first().cloned()
    }

    /// Whether it is still to be written.
    pub(crate) fn waits(&self, id: &ResourceId, ticket: Ticket) -> bool {
        let queues = lock(&self.0);
        queues.of.get(id).is_some_and(|queue| queue.iter().any(|(each, _)| *each == ticket))
    }

    /// It was written, or there is nothing left to write of it.
    pub(crate) fn done(&self, id: &ResourceId, written: Ticket) {
        self.retain(id, |ticket, _| ticket != written);
    }

    /// The host says where the resource belongs: what it said of that before is void.
    pub(crate) fn forget_moves(&self, id: &ResourceId) {
        self.retain(id, |_, event| !matches!(event, Event::Moved { .. }));
    }

    fn retain(&self, id: &ResourceId, stays: impl Fn(Ticket, &Event) -> bool) {
        let mut queues = lock(&self.0);
        let Some(queue) = queues.of.get_mut(id) else { return };
        queue.retain(|(ticket, event)| stays(*ticket, event));
        if queue.is_empty() {
            queues.of.remove(id);
        }
    }

    /// Of how many resources something waits.
    pub(crate) fn resources(&self) -> usize {
        lock(&self.0).of.len()
    }
}

/// Whether two events differ by their time at most.
fn says_the_same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Refused { key: one, .. }, Event::Refused { key: other, .. }) => one == other,
        _ => discriminant(one) == discriminant(other),
    }
}
