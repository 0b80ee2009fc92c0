//! The keys of a document in the clear.

use strongroom::document::{Header, OpenPolicy};
use strongroom::wrap::UnwrappingKey;

use crate::error::Error;
use crate::id::ResourceId;
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
    Ok((opening.keys, opening.policy))
}
