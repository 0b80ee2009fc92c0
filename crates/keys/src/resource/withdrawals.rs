//! Withdrawals that are not in the state yet: they are persisted before anything else, and carried out where a process
//! ended before that.

use super::record::Resource;
use super::repository::{Current, Repository};
use super::transition::{Event, apply};
use crate::audit::{AuditEvent, AuditResult, BegunChange, StateMark};
use crate::error::Error;
use crate::id::ResourceId;
use crate::state::StateError;

impl Repository {
    /// The newest state, after pending withdrawals are persisted.
    pub(crate) async fn current(&self, id: &ResourceId) -> Result<Current, Error> {
        self.persist_pending(id).await?;
        self.read(id).await
    }

    /// Persists pending withdrawals in their order; until then access is refused. Where another process has
    /// meanwhile brought the resource to a state that has nothing to withdraw, the event is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Unrecorded`] where all are written, and the audit trail does not say so.
    pub(crate) async fn persist_pending(&self, id: &ResourceId) -> Result<(), Error> {
        let (pending, closing, mut unrecorded) = (self.pending(), self.unhindered(), None);
        while let Some((ticket, event)) = pending.first(id) {
            let waits = || pending.waits(id, ticket);
            let contended = || Error::Contended { resource: id.clone() };
            let decide = |_: &Resource| waits().then(|| event.clone()).ok_or_else(contended);
            match closing.change(id, decide).await {
                Ok(change) => unrecorded = unrecorded.or(change.unrecorded),
                Err(Error::WrongState { .. } | Error::Shredded { .. }) => {}
                // Another task has written it, and what followed it since must stay.
                Err(Error::Contended { .. }) if !waits() => continue,
                Err(error) => return Err(error),
            }
            pending.done(id, ticket);
        }
        let done = format!("access to the resource {id} has ended");
        unrecorded.map_or(Ok(()), |source| Err(Error::Unrecorded { done, source }))
    }

    /// Records what is to be withdrawn from a resource whose newest state is not there, as begun from the state that the
    /// audit trail knows: it is carried out from there. The error that follows from `error`.
    pub(crate) async fn keep(&self, id: &ResourceId, event: &Event, error: Error) -> Error {
        let Error::State(
            source @ (StateError::RolledBack { .. }
            | StateError::Replaced { .. }
            | StateError::Invalid { .. }),
        ) = error
        else {
            return error;
        };
        let Some(known) = self.marks().newest(id.as_str()) else { return source.into() };
        if let Err(not_taken) = self.check_taken(id, &known, event).await {
            return not_taken;
        }
        let begun = AuditEvent {
            state: Some(known),
            detail: event.detail(),
            ..AuditEvent::new(event.name(), AuditResult::Begun)
        };
        match self.client().record(begun, self.origin(id)).await {
            Ok(()) => Error::Kept { resource: id.clone(), source },
            Err(_) => source.into(),
        }
    }

    /// Refuses an event that the restored state would not take, as far as that is known by now.
    async fn check_taken(
        &self,
        id: &ResourceId,
        known: &StateMark,
        event: &Event,
    ) -> Result<(), Error> {
        let mut outlines = self.client().outlines().await.unwrap_or_default();
        let outline = outlines.remove(id.as_str()).filter(|(mark, _)| mark == known);
        let Some(outline) = outline.and_then(|(_, outline)| Resource::of_outline(&outline)) else {
            return Ok(());
        };
        match self.rolled_forward(id, outline).await {
            Ok(Some((_, after, _))) => apply(&after, event).map(drop),
            _ => Ok(()),
        }
    }

    /// Carries out what a process began to withdraw that ended before it was written, unless another state
    /// followed. Where the store cannot be read, this process acts as if it were written.
    pub(crate) async fn resume(&self, begun: &BegunChange) -> Result<(), Error> {
        let id = ResourceId::new(&begun.from.name)?;
        match self.unhindered().read(&id).await {
            Ok(current) if current.mark() != begun.from => Ok(()),
            _ => self.carry_out(&id, begun).await,
        }
    }

    /// Carries out what a process began to withdraw from `id`, whichever state that has.
    pub(crate) async fn carry_out(
        &self,
        id: &ResourceId,
        begun: &BegunChange,
    ) -> Result<(), Error> {
        let Some(event) = Event::of_detail(&begun.detail) else { return Ok(()) };
        self.pending().push(id, event);
        self.persist_pending(id).await
    }
}
