//! Going on after the store was rolled back, at the host's explicit request.

use super::config::ResourcesConfig;
use super::record::{Protection, Resource};
use super::resources::Resources;
use crate::audit::Doubt;
use crate::error::Error;
use crate::id::ResourceId;

/// A resource whose state was older than the audit trail knew, and goes on from there.
///
/// # Example
///
/// ```no_run
/// # async fn show(config: strongroom_keys::resource::ResourcesConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let (resources, restored, lost) = config.restore().await?;
/// for one in restored {
///     println!("{}: {} goes on as {}, {}", one.resource, one.from, one.to, one.protection.name());
/// }
/// assert!(lost.is_empty(), "bring them back from a backup: {lost:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The resource.
    pub resource: ResourceId,
    /// The number of the older state.
    pub from: u64,
    /// The number of the state that was written, above all that the audit trail knows; the same where it is
    /// [taken](Resources::accept_states) for the newest as it is.
    pub to: u64,
    /// Its state from now on.
    pub protection: Protection,
}

impl ResourcesConfig {
    /// The resources of a service whose store was rolled back: each state that is older than the audit trail knows
    /// is written again above that one. Withdrawals and destructions that the trail has since then are applied
    /// again, and keys of hours that are over are left out. Keys that came since are lost, with what was sealed
    /// under them. A resource of whose newest state the trail has lost the outline, by damage, stays refused, and one
    /// that is in doubt stays so. The last list is of the resources that have no state at all any more.
    ///
    /// # Errors
    ///
    /// Those of vault, store and trail. Done again it goes on.
    pub async fn restore(self) -> Result<(Resources, Vec<Restored>, Vec<ResourceId>), Error> {
        let resources = Resources::new(self);
        let known = resources.recall().await;
        let repository = &resources.repository;
        let outlines = repository.client().outlines().await?;
        repository.service_key().restore(repository.service_origin()).await?;
        repository.service_key().open(repository.service_origin()).await?;
        if known.all_in_doubt {
            repository.settle().await?;
        }
        if known.was_repaired {
            // A backup's, of which the damaged part alone knew.
            let known = repository.marks().names();
            let mut names = repository.store().names().await?;
            names.retain(|name| !known.contains(name));
            for id in names.iter().filter_map(|name| ResourceId::new(name).ok()) {
                repository.look_at(&id).await?;
            }
        }
        let (mut restored, mut lost) = (Vec::new(), Vec::new());
        for name in repository.marks().names() {
            let Ok(id) = ResourceId::new(&name) else { continue };
            // Where the trail has lost what the newest state was, an older one may be from before a revocation.
            let newest = outlines.get(&name);
            let newest = newest.filter(|(mark, _)| mark.number == repository.marks().number(&name));
            let Some((mark, outline)) = newest else { continue };
            let Some(outline) = Resource::of_outline(outline) else { continue };
            let forward = match repository.roll_forward(&id, outline).await {
                Err(Error::NotFound { resource }) => {
                    if !repository.marks().is_lost(&name) {
                        lost.push(resource);
                    }
                    continue;
                }
                forward => forward?,
            };
            let Some(from) = forward else { continue };
            // The state that it was begun from is lost: the one that goes on from it takes it over.
            for begun in known.begun.iter().filter(|begun| begun.from == *mark) {
                repository.carry_out(&id, begun).await?;
            }
            let current = repository.read(&id).await?;
            let (to, protection) = (current.number, current.resource.protection.clone());
            restored.push(Restored { resource: id, from, to, protection });
        }
        resources.begin(known).await;
        Ok((resources, restored, lost))
    }
}

impl Resources {
    /// Takes the states that are there for the newest from now on, where a part of the audit trail was lost, and records
    /// that: it is the host's operator who says that nothing newer is lost. The states that were in doubt.
    ///
    /// # Errors
    ///
    /// Those of store and trail: the first that was met, with all others accepted. What has no state at all stays in
    /// doubt.
    ///
    /// # Security
    ///
    /// Where newer states were lost, what they withdrew is not withdrawn any more.
    pub async fn accept_states(&self) -> Result<Vec<Restored>, Error> {
        let repository = self.repository.unhindered();
        if repository.marks().is_all_in_doubt() {
            repository.settle().await?;
        }
        let (mut accepted, mut failed) = (Vec::new(), None);
        for id in self.in_doubt() {
            let current = match repository.read(&id).await {
                Err(Error::NotFound { .. }) => continue,
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
                Ok(current) => current,
            };
            let (mark, outline, origin) =
                (current.mark(), current.resource.outline(), repository.origin(&id));
            repository.marks().settle("accept-state", &mark, None, outline, origin).await?;
            let (from, to) = (current.number, current.number);
            let protection = current.resource.protection.clone();
            accepted.push(Restored { resource: id, from, to, protection });
        }
        failed.map_or(Ok(accepted), Err)
    }

    /// Gives a resource up whose states are all lost, as the host's operator says: it is not missed any more, and it is
    /// deleted where a state of it comes back. Its name stays taken.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where it has states, [`Error::NotFound`] where the audit trail knows none of it, and those
    /// of store and trail.
    pub async fn accept_loss(&self, id: &ResourceId) -> Result<(), Error> {
        let (repository, name) = (&self.repository, id.as_str());
        if !repository.store().list(name).await?.is_empty() {
            let reason =
                format!("the resource {id} has states: it is not lost; delete it as it is");
            return Err(Error::Argument { reason });
        }
        let mark = repository.marks().newest(name);
        let mark = mark.ok_or_else(|| Error::NotFound { resource: id.clone() })?;
        match self.resource_deleted(id).await {
            Err(Error::Kept { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        let (doubt, origin) = (Some(Doubt::Lost), repository.origin(id));
        Ok(repository.marks().settle("accept-loss", &mark, doubt, None, origin).await?)
    }
}
