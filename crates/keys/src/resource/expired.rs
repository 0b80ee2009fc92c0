//! Documents whose time is up, and what proves it before they are removed: their header, while its keys are there, or
//! the key of their hour, which is destroyed.

use strongroom::document::{Header, Recipient, RewrapOptions};

use super::documents::{hour_key, label_of};
use super::record::{Protection, Resource};
use super::resources::Resources;
use crate::error::DocumentError;
use crate::id::ResourceId;

/// The reason why a document is known to have expired.
///
/// # Example
///
/// ```no_run
/// # async fn look(resources: strongroom_keys::Resources) -> Result<(), Box<dyn std::error::Error>> {
/// use strongroom::document::Header;
/// use strongroom_keys::resource::{Expired, ResourceId};
///
/// let header = Header::read_at(&std::fs::File::open("answer.sealed")?)?;
/// let id = ResourceId::new("contoso")?;
/// if resources.expired(&id, &header, 1_900_000_000).await? == Some(Expired::KeyDestroyed) {
///     println!("nothing opens it any more");
/// }
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Its header is authentic under the resource's keys, and says so.
    Authentic,
    /// It names nothing but the resource's key of its hour for the inner layer, and that is destroyed.
    KeyDestroyed,
}

impl Resources {
    /// The proof that the document of `header` has expired at `now`, in seconds since 1970; `None` where it says
    /// itself that it has not. Its context need not be known.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignDocument`](crate::Error::ForeignDocument) where some layer names no key of the resource;
    /// [`Error::Denied`](crate::Error::Denied), [`Error::Unreachable`](crate::Error::Unreachable);
    /// [`Error::Authentication`](strongroom::Error::Authentication) where its header was changed. Then it is not
    /// known to have expired.
    ///
    /// # Security
    ///
    /// A header may be anyone's until it is authenticated. So may one that names a destroyed key, but no key
    /// that there is or will be opens its document: whoever removes it loses nothing.
    pub async fn expired(
        &self,
        id: &ResourceId,
        header: &Header,
        now: u64,
    ) -> Result<Option<Expired>, DocumentError> {
        let Some(expires_at) = header.expires_at().filter(|expires_at| *expires_at <= now) else {
            return Ok(None);
        };
        let current = self.repository.read(id).await?;
        let mut inner = header.recipients().iter().filter(|one| one.layer() == 1).peekable();
        let of_destroyed = |one: &Recipient| is_of_destroyed(&current.resource, one, expires_at);
        if inner.peek().is_some() && inner.all(of_destroyed) {
            return Ok(Some(Expired::KeyDestroyed));
        }
        let (keys, _, _lease) = self.keys_for(id, header).await?;
        // That it has expired is what is asked here, so the time is none that it could have expired at.
        let options = RewrapOptions { now: Some(0), ..RewrapOptions::any_context() };
        let unlocked = header.clone().rewrap_by(&options, |recipient| keys.unwrap(recipient));
        unlocked.map_err(DocumentError::from)?;
        Ok(Some(Expired::Authentic))
    }
}

/// True where a recipient is for the key of the hour of `expires_at` of the resource, which had it, and has not now.
fn is_of_destroyed(resource: &Resource, recipient: &Recipient, expires_at: u64) -> bool {
    let hour = hour_key(expires_at);
    let is_over = hour.version <= resource.hours_from
        || matches!(resource.protection, Protection::Shredded { .. });
    let label = label_of(&resource.id, recipient);
    label == Some(hour) && is_over && resource.find(hour).is_none()
}
