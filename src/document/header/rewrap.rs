//! Other recipients for a document, without touching its body.
//!
//! ```text
//! header -> unwrap -> commitment, HMAC, context, expiry -> Rewrap
//!        -> wrap -> its holder unwraps -> prove -> remove others
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
use core::marker::PhantomData;

use subtle::ConstantTimeEq;

use crate::document::header::Header;
#[cfg(feature = "std")]
use crate::document::header::SlotState;
use crate::document::header::recipient::Recipient;
#[cfg(feature = "std")]
use crate::document::header::slots::CHECKSUM_LEN;
use crate::document::header::slots::{Geometry, Slot};
#[cfg(feature = "std")]
use crate::document::io::{
    IoLabels,
    in_place::{overwrite, overwrite_and_read_header},
    read_at::Durable,
};
use crate::document::key_schedule::{Context, DataKey, HeaderKey};
use crate::document::policy::OpenPolicy;
use crate::document::unlock::{Unlocked, unwrap_with};
use crate::error::Error;
use crate::secret::SecretVec;
use crate::wrap::{UnwrappingKey, WrappingKey};

/// Demands on a document that is to get other recipients.
///
/// # Security
///
/// Whoever may have documents rewrapped by a service must not add a key of theirs to another tenant's
/// document: the context expected is the caller's own, and empty unless it is given. A service that
/// brings documents of many contexts to a new version of their key takes
/// [`RewrapOptions::any_context`], which allows nothing else.
///
/// # Example
///
/// ```
/// use strongroom::document::RewrapOptions;
///
/// let mut options = RewrapOptions::default();
/// options.context.insert("tenant", "7")?;
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RewrapOptions<C = Context> {
    /// The context that the document was sealed with, or [`AnyContext`].
    pub context: C,
    /// The time in seconds since the Unix epoch, for documents that expire; `None` asks the system
    /// clock.
    pub now: Option<u64>,
    /// Demands on the document as it is; any will do by default.
    pub policy: OpenPolicy,
}

impl Default for RewrapOptions {
    fn default() -> Self {
        Self { context: Context::new(), now: None, policy: OpenPolicy::default() }
    }
}

impl RewrapOptions<AnyContext> {
    /// For documents whose context is not known: their keys can be exchanged for other versions of the
    /// same keys, and nothing else.
    #[must_use]
    pub fn any_context() -> Self {
        Self { context: AnyContext, now: None, policy: OpenPolicy::default() }
    }
}

/// Stands for a context that is not known: see [`RewrapOptions::any_context`].
///
/// # Example
///
/// A [`Rewrap`] for any context has no method that gives a document to another key:
///
/// ```compile_fail,E0599
/// use strongroom::document::{AnyContext, Rewrap};
/// use strongroom::wrap::WrappingKey;
///
/// fn add(rewrap: &mut Rewrap<AnyContext>, key: &WrappingKey) {
///     let _ = rewrap.add(1, key);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyContext;

/// A context that a document is expected to have: a [`Context`], or [`AnyContext`].
///
/// # Example
///
/// ```
/// use strongroom::Error;
/// use strongroom::document::{ExpectedContext, Header, Rewrap, RewrapOptions};
/// use strongroom::wrap::UnwrappingKey;
///
/// fn unlock<C: ExpectedContext>(
///     header: Header,
///     keys: &[UnwrappingKey],
///     options: &RewrapOptions<C>,
/// ) -> Result<Rewrap<C>, Error> {
///     header.rewrap_with(keys, options)
/// }
/// ```
pub trait ExpectedContext: sealed::Expected {}

impl ExpectedContext for Context {}
impl ExpectedContext for AnyContext {}

mod sealed {
    use super::{AnyContext, Context};

    pub trait Expected {
        /// The context to compare with; `None` where any will do.
        fn expected(&self) -> Option<&Context>;
    }

    impl Expected for Context {
        fn expected(&self) -> Option<&Context> {
            Some(self)
        }
    }

    impl Expected for AnyContext {
        fn expected(&self) -> Option<&Context> {
            None
        }
    }
}

/// A header that is authenticated and whose data keys are known: it can get other recipients. The
/// data keys are wiped on drop.
///
/// A recipient is *proved* once its holder has unwrapped it and that was the document's data key: those
/// that unlocked the header are, and those that [`Rewrap::prove`] or [`Rewrap::exchange`] took in. The
/// name of a key proves nothing: another key may have it by now. No recipient is removed unless its layer
/// keeps a proved one; a recipient of an algorithm that is not known cannot be proved.
///
/// What the document holds stays closed.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, OpenOptions, RewrapOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (old, new) = (KeyId::new("vault/contracts/1")?, KeyId::new("vault/archive/1")?);
/// let wrapping = |id: &KeyId, key| WrappingKey::aes(id.clone(), Secret::copy_from(key));
/// let unwrapping = |id: &KeyId, key| UnwrappingKey::aes(id.clone(), Secret::copy_from(key));
/// let mut sealed = document::seal(b"text", &[wrapping(&old, &[1; 32])], &SealOptions::default())?;
///
/// let header = Header::parse(&sealed)?;
/// let mut rewrap = header.rewrap_with(&[unwrapping(&old, &[1; 32])], &RewrapOptions::default())?;
/// // Keys at hand unwrap what was wrapped for them. A vault is asked between `wrap` and `prove`.
/// rewrap.replace_with(1, &[wrapping(&new, &[2; 32])], &[unwrapping(&new, &[2; 32])])?;
/// let header = rewrap.to_header()?;
/// sealed[..header.len()].copy_from_slice(&header);
///
/// let opened = document::open(&sealed, &[unwrapping(&new, &[2; 32])], &OpenOptions::default())?;
/// assert_eq!(opened, b"text");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Rewrap<C = Context> {
    header: Header,
    data_keys: Vec<DataKey>,
    header_key: HeaderKey,
    recipients: Vec<Recipient>,
    /// Recipients whose holder has unwrapped the data key, in the list or not.
    proved: Vec<Recipient>,
    context: PhantomData<fn() -> C>,
}

impl Header {
    /// Authenticates the header with its data keys, one for each layer, the inner one first, and gives
    /// what changes its recipients. None of them is proved yet.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where keys, context and header do not belong together;
    /// [`Error::Expired`] where the document's time is up; [`Error::Format`] and [`Error::RolledBack`]
    /// where the policy demands other documents; [`Error::Argument`] for data keys of other layers.
    pub fn rewrap<C: ExpectedContext>(
        self,
        data_keys: Vec<DataKey>,
        options: &RewrapOptions<C>,
    ) -> Result<Rewrap<C>, Error> {
        options.policy.check(&self)?;
        let derived = self.derive(&data_keys)?;
        Rewrap::new(self, Unlocked { derived, data_keys, recipients: Vec::new() }, options)
    }

    /// Unwraps the data keys with `keys`, then does as [`Header::rewrap`].
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] where for some layer no key belongs to a recipient; those of
    /// [`Header::rewrap`].
    pub fn rewrap_with<C: ExpectedContext>(
        self,
        keys: &[UnwrappingKey],
        options: &RewrapOptions<C>,
    ) -> Result<Rewrap<C>, Error> {
        self.rewrap_by(options, |recipient| unwrap_with(keys, recipient))
    }

    /// Unwraps the data keys by asking `unwrap`, as [`Header::unlock_by`] does, then does as
    /// [`Header::rewrap`].
    ///
    /// # Errors
    ///
    /// Where all that `unwrap` knows fail, the first failure; those of [`Header::rewrap_with`].
    pub fn rewrap_by<C: ExpectedContext, E: From<Error>>(
        self,
        options: &RewrapOptions<C>,
        mut unwrap: impl FnMut(&Recipient) -> Option<Result<SecretVec, E>>,
    ) -> Result<Rewrap<C>, E> {
        let unlocked = self.search(&options.policy, &mut unwrap)?;
        Ok(Rewrap::new(self, unlocked, options)?)
    }
}

/// Giving the document to other keys, which takes its context.
impl Rewrap {
    /// Wraps a layer's data key for `key`. The document does not have the new recipient yet: its holder
    /// unwraps it, and [`Rewrap::prove`] takes it in.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a layer that the document does not have; what the key's `wrap` returns.
    pub fn wrap(&self, layer: u8, key: &WrappingKey) -> Result<Recipient, Error> {
        Recipient::wrap(self.data_key(layer)?, key)
    }

    /// Takes in a recipient with what its holder unwrapped: one from [`Rewrap::wrap`], in the place of
    /// one of the same name and algorithm, or one that the document has already.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] where that is not the layer's data key; [`Error::Argument`] for another layer or an
    /// algorithm that is not known. Nothing has changed then.
    ///
    /// # Security
    ///
    /// `unwrapped` comes from the holder, and is not what was wrapped a moment ago: that proves nothing.
    pub fn prove(&mut self, recipient: &Recipient, unwrapped: &SecretVec) -> Result<(), Error> {
        self.check_proof(recipient, unwrapped)?;
        self.proved.push(recipient.clone());
        let others = self.recipients.iter().filter(|one| !recipient.replaces(one)).cloned();
        let list = others.chain([recipient.clone()]).collect();
        self.set(list)
    }

    /// Wraps a layer's data key for one more key, without proof that its holder can unwrap it.
    ///
    /// # Errors
    ///
    /// As [`Rewrap::wrap`], and [`Error::Argument`] where one of the same name and algorithm would have
    /// to go and no proved one is left in the layer.
    pub fn add(&mut self, layer: u8, key: &WrappingKey) -> Result<(), Error> {
        let added = self.wrap(layer, key)?;
        let others = self.recipients.iter().filter(|one| !added.replaces(one)).cloned();
        let list = others.chain([added.clone()]).collect();
        self.set(list)
    }

    /// Wraps a layer's data key for `keys` and for nobody else, once `holders`, who have their other
    /// halves, have unwrapped it again.
    ///
    /// # Errors
    ///
    /// As [`Rewrap::wrap`] and [`Rewrap::prove`]; [`Error::NoKey`] for a key without its holder;
    /// [`Error::Argument`] without a key. Nothing has changed then.
    pub fn replace_with(
        &mut self,
        layer: u8,
        keys: &[WrappingKey],
        holders: &[UnwrappingKey],
    ) -> Result<(), Error> {
        let prove = |key| {
            let new = self.wrap(layer, key)?;
            let Some(unwrapped) = unwrap_with(holders, &new) else {
                return Err(Error::NoKey { wrapped_with: new.key_id().as_str().into() });
            };
            match unwrapped {
                Err(Error::Authentication) => Err(another_key(&new)),
                unwrapped => self.check_proof(&new, &unwrapped?).map(|()| new),
            }
        };
        let proved: Vec<Recipient> = keys.iter().map(prove).collect::<Result<_, _>>()?;
        self.proved.extend_from_slice(&proved);
        let others = self.recipients.iter().filter(|one| one.layer() != layer).cloned();
        let list = others.chain(proved).collect();
        self.set(list)
    }

    /// Takes out the recipient of the same layer, algorithm and key id; returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where no proved one would be left in the layer.
    pub fn remove(&mut self, recipient: &Recipient) -> Result<bool, Error> {
        let others = self.recipients.iter().filter(|one| !recipient.replaces(one));
        let left: Vec<_> = others.cloned().collect();
        let removed = left.len() != self.recipients.len();
        self.set(left)?;
        Ok(removed)
    }
}

impl<C: ExpectedContext> Rewrap<C> {
    fn new(header: Header, unlocked: Unlocked, options: &RewrapOptions<C>) -> Result<Self, Error> {
        let Unlocked { derived, data_keys, recipients: proved } = unlocked;
        header.authenticate(&derived, options.context.expected(), options.now)?;
        let (recipients, header_key) = (header.recipients().to_vec(), derived.keys.header_key);
        Ok(Self { header, data_keys, header_key, recipients, proved, context: PhantomData })
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

    /// True where the holder of a recipient has unwrapped it, and that was the layer's data key.
    #[must_use]
    pub fn is_proved(&self, recipient: &Recipient) -> bool {
        self.proved.contains(recipient)
    }

    /// Wraps the data key of `old`, a recipient of the document, for another version of its key: its
    /// holder unwraps it, and [`Rewrap::exchange`] takes it in.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the document does not have `old`, or `key` is not
    /// [a version of the same key](crate::wrap::KeyId::is_version_of) or of another algorithm; what the key's `wrap`
    /// returns.
    pub fn wrap_version(&self, old: &Recipient, key: &WrappingKey) -> Result<Recipient, Error> {
        let new = Recipient::wrap(self.data_key(old.layer())?, key)?;
        self.check_version(old, &new)?;
        Ok(new)
    }

    /// Takes in a recipient from [`Rewrap::wrap_version`] in the place of `old`, with what its holder
    /// unwrapped.
    ///
    /// # Errors
    ///
    /// Those of [`Rewrap::wrap_version`] and [`Rewrap::prove`]. Nothing has changed then.
    ///
    /// # Security
    ///
    /// A key that is destroyed at a set time, to make documents unreadable then, must not be exchanged
    /// for one that lives longer.
    pub fn exchange(
        &mut self,
        old: &Recipient,
        new: &Recipient,
        unwrapped: &SecretVec,
    ) -> Result<(), Error> {
        self.check_version(old, new)?;
        self.check_proof(new, unwrapped)?;
        self.proved.push(new.clone());
        let stays = |one: &&Recipient| !old.replaces(one) && !new.replaces(one);
        let others = self.recipients.iter().filter(stays).cloned();
        let list = others.chain([new.clone()]).collect();
        self.set(list)
    }

    fn check_version(&self, old: &Recipient, new: &Recipient) -> Result<(), Error> {
        let refuse = |reason| Err(Error::Argument { what: "recipient", reason });
        if !self.recipients.contains(old) {
            return refuse("the document does not have the one that is to be exchanged");
        }
        let same_key = new.layer() == old.layer()
            && new.algorithm_code() == old.algorithm_code()
            && new.key_id().is_version_of(old.key_id());
        if !same_key {
            return refuse("a key is exchanged for another version of the same key only");
        }
        Ok(())
    }

    /// Compares what a holder unwrapped with the data key, in constant time.
    fn check_proof(&self, recipient: &Recipient, unwrapped: &SecretVec) -> Result<(), Error> {
        let payload = self.data_key(recipient.layer())?.payload();
        if recipient.algorithm().is_none() {
            let reason = "its algorithm is not known, and so it cannot be proved";
            return Err(Error::Argument { what: "recipient", reason });
        }
        if bool::from(payload.as_slice().ct_eq(unwrapped.expose())) {
            Ok(())
        } else {
            Err(another_key(recipient))
        }
    }

    /// Makes `list` the document's, unless somebody goes from a layer that keeps no proved one.
    fn set(&mut self, mut list: Vec<Recipient>) -> Result<(), Error> {
        let goes = |one: &&Recipient| !list.contains(one);
        let kept = |layer| list.iter().any(|one| one.layer() == layer && self.is_proved(one));
        if self.recipients.iter().filter(goes).any(|one| !kept(one.layer())) {
            let reason = "each layer keeps one at least whose holder has unwrapped it; prove one before \
                          another is removed";
            return Err(Error::Argument { what: "recipients", reason });
        }
        Recipient::sort(&mut list);
        self.recipients = list;
        Ok(())
    }

    /// True where the new recipients have room in the slots that there are: then the header keeps its length.
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
        let changed = "it was changed since it was read; read it again and rewrap that";
        let header = self.to_header()?;
        let mut slots: Vec<_> = self.header.geometry().slot_ranges().zip(states).collect();
        // What is not in use goes first; of two equal ones the second.
        slots.sort_by_key(|(range, state)| {
            (**state == SlotState::Current, core::cmp::Reverse(range.start))
        });
        let Some((in_use, _)) = slots.last() else { return Err(Error::Authentication) };
        // Its checksum stands for the slot, which is written as it was, for it may be in a cache only.
        let slot = self.header.slot_bytes();
        let Some((_, expected)) = slot.split_last_chunk::<CHECKSUM_LEN>() else {
            return Err(Error::Authentication);
        };
        let mut found = [0; CHECKSUM_LEN];
        let reading = Error::io(IoLabels::HEADER.reading);
        file.read_exact_at(&mut found, in_use.end.saturating_sub(CHECKSUM_LEN) as u64)
            .map_err(reading)?;
        if found != *expected {
            return refuse(changed);
        }
        file.check_offsets().map_err(Error::io(IoLabels::HEADER.writing))?;
        let read_back = overwrite_and_read_header(file, slot, in_use.start, header.len())?;
        if Header::parse(&read_back)? != self.header {
            return refuse(changed);
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
        let needed = Recipient::encoded_len_of(&self.recipients);
        // Slots of others may be smaller than any that are made here.
        if old.holds(needed) { Ok(old) } else { Geometry::holding(old.slots(), needed) }
    }
}

impl<C> core::fmt::Debug for Rewrap<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rewrap").field("recipients", &self.recipients).finish_non_exhaustive()
    }
}

fn another_key(recipient: &Recipient) -> Error {
    let key = recipient.key_id().as_str().into();
    let reason = "its holder does not unwrap what was wrapped for it: another key has this id; nothing \
                  was given to it";
    Error::Key { key, reason }
}
