//! Other recipients for a document, without touching its body.
//!
//! ```text
//! header -> unwrap -> commitment, HMAC -> Rewrap -> add, replace, remove
//!        -> to_header        the bytes of a whole header, for an object or a detached one
//!        -> write_in_place   a file's two slots, one after the other
//! ```
//!
//! In place, the slot that is not in use is written first and made durable, then the other one. At
//! every moment one slot on the disk is whole, and what it names opens the document: the old recipients
//! or the new ones. That what was read is on the disk is not taken for granted: whoever wrote it may
//! have been stopped before it was, or have failed to make it so. The slot that is written last is
//! therefore written as it was, and made durable, before the other one is touched.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use crate::document::header::Header;
#[cfg(feature = "std")]
use crate::document::header::SlotState;
use crate::document::header::recipient::Recipient;
use crate::document::header::slots::{Geometry, Slot};
#[cfg(feature = "std")]
use crate::document::io::in_place::{WRITING, overwrite, write_durably};
#[cfg(feature = "std")]
use crate::document::io::read_at::Durable;
use crate::document::key_schedule::{DataKey, HeaderKey};
use crate::document::unlock::{OpenPolicy, unwrap_with};
use crate::error::Error;
use crate::secret::SecretVec;
use crate::wrap::{KeyId, UnwrappingKey, WrappingKey};

/// A header that is authenticated and whose data keys are known: it can get other recipients. The
/// data keys are wiped on drop.
///
/// It needs neither the context nor the time: what the document holds stays closed.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, OpenOptions, OpenPolicy, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (old, new) = (KeyId::new("vault/contracts/1")?, KeyId::new("vault/contracts/2")?);
/// let wrapping = |id: &KeyId, key| WrappingKey::aes(id.clone(), Secret::copy_from(key));
/// let unwrapping = |id: &KeyId, key| UnwrappingKey::aes(id.clone(), Secret::copy_from(key));
/// let mut sealed = document::seal(b"text", &[wrapping(&old, &[1; 32])], &SealOptions::default())?;
///
/// let header = Header::parse(&sealed)?;
/// let mut rewrap = header.rewrap_with(&[unwrapping(&old, &[1; 32])], &OpenPolicy::default())?;
/// rewrap.replace(1, &[wrapping(&new, &[2; 32])])?;
/// let header = rewrap.to_header()?;
/// sealed[..header.len()].copy_from_slice(&header);
///
/// let opened = document::open(&sealed, &[unwrapping(&new, &[2; 32])], &OpenOptions::default())?;
/// assert_eq!(opened, b"text");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Rewrap {
    header: Header,
    data_keys: Vec<DataKey>,
    header_key: HeaderKey,
    recipients: Vec<Recipient>,
}

impl Header {
    /// Authenticates the header with its data keys, one for each layer, the inner one first, and gives
    /// what changes its recipients.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where keys and header do not belong together; [`Error::Argument`] for
    /// data keys of other layers.
    pub fn rewrap(self, data_keys: Vec<DataKey>) -> Result<Rewrap, Error> {
        let (_, keys) = self.authenticate(&data_keys)?;
        Ok(Rewrap::new(self, data_keys, keys.header_key))
    }

    /// Unwraps the data keys with `keys`, then does as [`Header::rewrap`].
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] where for some layer no key belongs to a recipient; [`Error::Format`] where
    /// the document has fewer layers than the policy demands; those of [`Header::rewrap`].
    pub fn rewrap_with(self, keys: &[UnwrappingKey], policy: &OpenPolicy) -> Result<Rewrap, Error> {
        self.rewrap_by(policy, |recipient| unwrap_with(keys, recipient))
    }

    /// Unwraps the data keys by asking `unwrap`, as [`Header::unlock_by`] does, then does as
    /// [`Header::rewrap`].
    ///
    /// # Errors
    ///
    /// Where all that `unwrap` knows fail, the first failure; those of [`Header::rewrap_with`].
    pub fn rewrap_by<E: From<Error>>(
        self,
        policy: &OpenPolicy,
        mut unwrap: impl FnMut(&Recipient) -> Option<Result<SecretVec, E>>,
    ) -> Result<Rewrap, E> {
        policy.check(&self)?;
        let take = |data_keys: &mut Vec<DataKey>| {
            let (_, keys) = self.authenticate(data_keys)?;
            Ok((core::mem::take(data_keys), keys.header_key))
        };
        let (data_keys, header_key) = self.search(&mut Vec::new(), policy, &mut unwrap, &take)?;
        Ok(Rewrap::new(self, data_keys, header_key))
    }
}

impl Rewrap {
    fn new(header: Header, data_keys: Vec<DataKey>, header_key: HeaderKey) -> Self {
        let recipients = header.recipients().to_vec();
        Self { header, data_keys, header_key, recipients }
    }

    /// The header as it was read.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The recipients as they will be written.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// Wraps a layer's data key for one more key. One that is there already is wrapped anew.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a layer that the document does not have; what the key's `wrap` returns.
    pub fn add(&mut self, layer: u8, key: &WrappingKey) -> Result<(), Error> {
        let added = Recipient::wrap_for(self.data_key(layer)?, core::slice::from_ref(key))?;
        self.recipients.retain(|recipient| !added.iter().any(|added| added.replaces(recipient)));
        self.recipients.extend(added);
        Ok(())
    }

    /// Wraps a layer's data key for `keys` and for nobody else.
    ///
    /// # Errors
    ///
    /// As [`Rewrap::add`], and [`Error::Argument`] without a key.
    pub fn replace(&mut self, layer: u8, keys: &[WrappingKey]) -> Result<(), Error> {
        if keys.is_empty() {
            return Err(nobody_left());
        }
        let replacing = Recipient::wrap_for(self.data_key(layer)?, keys)?;
        self.recipients.retain(|recipient| recipient.layer() != layer);
        self.recipients.extend(replacing);
        Ok(())
    }

    /// Takes a key's recipients out of a layer; returns whether there were any.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where nobody would be left who could open the layer.
    pub fn remove(&mut self, layer: u8, key_id: &KeyId) -> Result<bool, Error> {
        let stays =
            |recipient: &&Recipient| recipient.layer() != layer || recipient.key_id() != key_id;
        let left: Vec<_> = self.recipients.iter().filter(stays).cloned().collect();
        if !left.iter().any(|recipient| recipient.layer() == layer) {
            return Err(nobody_left());
        }
        let removed = left.len() != self.recipients.len();
        self.recipients = left;
        Ok(removed)
    }

    /// Whether the new recipients have room in the slots that there are: then the header keeps its
    /// length.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.geometry().is_ok_and(|geometry| geometry == self.header.geometry())
    }

    /// The bytes of the new header, of the next generation. Where [`Rewrap::fits`] they take the old
    /// one's place; otherwise the body moves, and the document is written anew behind them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for more than 8 recipients in a layer, or one twice; [`Error::Length`]
    /// where no header holds them.
    pub fn to_header(&self) -> Result<Vec<u8>, Error> {
        let generation = self.header.generation();
        let generation = generation.checked_add(1).ok_or(Error::Length {
            what: "generation of a header",
            length: generation,
            limit: u64::MAX,
        })?;
        let mut slot = Slot { generation, recipients: self.recipients.clone() };
        let (prologue, layers) = (self.header.prologue(), self.header.layers());
        Header::assemble(prologue, self.geometry()?, layers, &self.header_key, &mut slot)
    }

    /// Rewrites the two slots at the start of `file`, whose header this was read from, each made
    /// durable and read back before the other is touched; a rewrap that was interrupted, by a crash of the program or
    /// of the machine, is taken up safely.
    ///
    /// The caller sees to it that nobody else rewrites the header meanwhile, by a lock for example.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where there is one slot only, the recipients do not fit, or the file has
    /// another header by now: nothing is written then. [`Error::Io`] where the file ignores offsets, as
    /// one that is open for appending, which stays as it was; and where writing, syncing or reading back
    /// fails: the old or the new recipients open the document, and the same call may be tried again after
    /// reading the header again.
    #[cfg(feature = "std")]
    pub fn write_in_place(&self, file: &(impl Durable + ?Sized)) -> Result<(), Error> {
        let refuse = |reason| Err(Error::Argument { what: "header", reason });
        let states = self.header.slots();
        if states.len() < 2 {
            return refuse("it has one slot, which is not rewritten in place; write a new file");
        }
        if !self.fits() {
            return refuse("its slots are too small for these recipients; write a new file");
        }
        if Header::read_at(file)? != self.header {
            return refuse("it was changed since it was read; read it again and rewrap that");
        }
        let header = self.to_header()?;
        let mut slots: Vec<_> = self.header.geometry().slot_ranges().zip(states).collect();
        // What is not in use goes first; of two equal ones the second.
        slots.sort_by_key(|(range, state)| {
            (**state == SlotState::Current, core::cmp::Reverse(range.start))
        });
        file.check_offsets().map_err(Error::io(WRITING))?;
        if let Some((range, _)) = slots.last() {
            // What the file holds already: reading it back would show nothing.
            write_durably(file, self.header.slot_bytes(), range.start as u64)?;
        }
        for (range, _) in slots {
            let start = range.start as u64;
            overwrite(file, header.get(range).ok_or(Error::Authentication)?, start)?;
        }
        Ok(())
    }

    fn data_key(&self, layer: u8) -> Result<&DataKey, Error> {
        let of_layer = self.data_keys.iter().find(|data_key| data_key.layer() == layer);
        let reason = "the document does not have it";
        of_layer.ok_or(Error::Argument { what: "layer", reason })
    }

    /// The old geometry, or a larger one where the recipients ask for it.
    fn geometry(&self) -> Result<Geometry, Error> {
        let old = self.header.geometry();
        let needed = Geometry::holding(old.slots(), Recipient::encoded_len_of(&self.recipients))?;
        Ok(if needed.slot_len() > old.slot_len() { needed } else { old })
    }
}

impl core::fmt::Debug for Rewrap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rewrap").field("recipients", &self.recipients).finish_non_exhaustive()
    }
}

fn nobody_left() -> Error {
    let reason = "each layer keeps one at least, or nobody could open the document";
    Error::Argument { what: "recipients", reason }
}
