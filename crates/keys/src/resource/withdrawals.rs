//! Withdrawals that are not in the state yet: they are persisted before anything else, and carried out where a process
//! ended before that.

use super::record::Resource;
use super::repository::{Current, Repository};
use super::transition::Event;
use crate::audit::BegunChange;
use crate::error::Error;
use crate::id::ResourceId;

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
