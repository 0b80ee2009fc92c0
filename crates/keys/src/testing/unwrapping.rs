//! The keys of a document in the clear.

use std::sync::Arc;

use strongroom::document::{Header, OpenPolicy};
use strongroom::secret::Secret;
use strongroom::wrap::UnwrappingKey;

use crate::error::Error;
use crate::id::ResourceId;
use crate::key_ring::ResourceKey;
use crate::resource::Resources;

/// The keys that [`Resources::opener`] opens the document of `header` with, and its policy: for tests that
/// open documents with some of them, or without the policy.
///
/// # Errors
///
/// As [`Resources::opener`].
pub async fn unwrapping_keys(
    resources: &Resources,
    id: &ResourceId,
    header: &Header,
) -> Result<(Vec<UnwrappingKey>, OpenPolicy), Error> {
    let opening = resources.opening_keys(id, header).await?;
    let copy = |key: &Arc<ResourceKey>| {
        let secret = Secret::copy_from(key.secret.expose());
        UnwrappingKey::aes(key.unwrapping.id().clone(), secret)
    };
    Ok((opening.keys.0.iter().flatten().map(copy).collect(), opening.policy))
}
