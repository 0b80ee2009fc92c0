//! Going on after the store was rolled back, at the host's explicit request.

use serde_json::Value;

use super::config::ResourcesConfig;
use super::record::{Protection, Resource};
use super::resources::Resources;
use crate::error::Error;
use crate::id::ResourceId;

/// A resource whose state was older than the audit trail knew, and goes on from there.
///
/// # Example
///
/// ```no_run
/// # async fn show(config: strongroom_keys::resource::ResourcesConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let (resources, restored) = config.restore().await?;
/// for one in restored {
///     println!("{}: {} goes on as {}, {}", one.resource, one.from, one.to, one.protection.name());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The resource.
    pub resource: ResourceId,
    /// The number of the older state.
    pub from: u64,
    /// The number of the state that was written, above all that the audit trail knows.
    pub to: u64,
    /// Its state from now on.
    pub protection: Protection,
}

impl ResourcesConfig {
    /// The resources of a service whose store was rolled back: each state that is older than the audit trail knows
    /// is written again above that one. Withdrawals and destructions that the trail has since then are applied
    /// again, and keys of hours that are over are left out. Keys that came since are lost, with what was sealed
    /// under them. A resource of whose newest state the trail has lost the outline, by damage, stays refused.
    ///
    /// # Errors
    ///
    /// Those of vault, store and trail; [`Error::NotFound`] of a resource that has no state at all any more, once all
    /// others go on. Done again it goes on.
    pub async fn restore(self) -> Result<(Resources, Vec<Restored>), Error> {
        let resources = Resources::new(self);
        let known = resources.recall().await;
        let repository = &resources.repository;
        let outlines = repository.client().outlines().await?;
        repository.service_key().restore(repository.service_origin()).await?;
        repository.service_key().open(repository.service_origin()).await?;
        let (mut restored, mut lost) = (Vec::new(), None);
        for name in repository.marks().names() {
            let Ok(id) = ResourceId::new(&name) else { continue };
            // Where the trail has lost what the newest state was, an older one may be from before a revocation.
            let newest = outlines.get(&name);
            let newest = newest.filter(|(mark, _)| mark.number == repository.marks().number(&name));
            let Some((mark, outline)) = newest else { continue };
            let Some(outline) = resource(outline) else { continue };
            let forward = match repository.roll_forward(&id, outline).await {
                Err(error @ Error::NotFound { .. }) => {
                    lost = lost.or(Some(error));
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
        lost.map_or(Ok((resources, restored)), Err)
    }
}

fn resource(outline: &Value) -> Option<Resource> {
    serde_json::from_value(outline.clone()).ok()
}
