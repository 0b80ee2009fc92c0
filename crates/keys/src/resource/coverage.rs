//! The documents that a customer's key covers, by their headers: those that were sealed before it was enabled are
//! outside, until their host seals them again.

use strongroom::document::Header;

use super::documents::{label_of, not_found};
use super::resources::Resources;
use super::transition::wrong_state;
use crate::error::Error;
use crate::id::{KeyKind, ResourceId};
use crate::key_ring::KeyRecord;

impl Resources {
    /// True where the document of `header` is sealed under the customer's key that is enabled now. One that was
    /// sealed before has a single layer, or an outer one under the key of an earlier epoch: it is outside, and
    /// sealing it again brings it under. No vault is asked.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] where no customer-managed key is enabled; [`Error::Denied`], [`Error::Shredded`];
    /// [`Error::ForeignDocument`] where some layer names no key of the resource; those of the store.
    ///
    /// # Security
    ///
    /// A header is not authenticated: this says which documents are worth sealing again, and nothing more.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn look(resources: strongroom_keys::Resources) -> Result<(), Box<dyn std::error::Error>> {
    /// use strongroom::document::Header;
    /// use strongroom_keys::resource::ResourceId;
    ///
    /// let header = Header::read_at(&std::fs::File::open("contract.sealed")?)?;
    /// let is_covered = resources.is_under_cmk(&ResourceId::new("contoso")?, &header).await?;
    /// println!("{is_covered}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn is_under_cmk(&self, id: &ResourceId, header: &Header) -> Result<bool, Error> {
        let current = self.repository.current(id).await?;
        let resource = &*current.resource;
        resource.check_access()?;
        if resource.protection.cmk().is_none() {
            return Err(wrong_state(resource, "move documents under the customer's key"));
        }
        let labels = |layer| {
            let of_layer = header.recipients().iter().filter(move |one| one.layer() == layer);
            of_layer.filter_map(|one| label_of(id, one))
        };
        if (1..=header.layers()).any(|layer| labels(layer).next().is_none()) {
            return Err(not_found(resource, header));
        }
        let is_current = |record: &KeyRecord| {
            record.label.kind == KeyKind::Customer && record.epoch == resource.epoch
        };
        let found = labels(2).filter_map(|label| resource.find(label)).any(is_current);
        Ok(found)
    }
}
