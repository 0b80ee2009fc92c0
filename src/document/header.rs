//! The header as a whole: prologue, geometry and slots, from bytes and to bytes.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub(crate) mod prologue;
pub(crate) mod recipient;
pub(crate) mod rewrap;
pub(crate) mod slots;

use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use crate::document::key_schedule::{BoundKeys, HeaderKey};
use crate::document::{ChunkLen, PlaintextLen};
use crate::error::Error;
use prologue::{CORE_LEN, Core, PROLOGUE_LEN};
use recipient::Recipient;
use slots::{Geometry, PREFIX_LEN, Slot, Slots, parts};

/// State of one of a header's slots.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, SealOptions, SlotState};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
///
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let mut sealed = document::seal(b"text", &[key], &SealOptions::default())?;
/// sealed[600] ^= 1; // in the first of two slots
/// let header = Header::parse(&sealed)?;
/// assert_eq!(header.slots(), [SlotState::Damaged, SlotState::Current]);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// It holds the newest generation.
    Current,
    /// It holds an older generation: rotation was interrupted before it was copied.
    Stale,
    /// Its checksum, which covers all of it, does not hold. The other slot serves.
    Damaged,
}

/// A document's header, parsed but not authenticated: [`Header::unlock`] does that, and
/// [`Header::rewrap`].
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, PlaintextLen, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
///
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let sealed = document::seal(b"text", &[key], &SealOptions::default())?;
/// let header = Header::parse(&sealed)?;
/// assert_eq!(header.plaintext_len(), PlaintextLen::Known(4));
/// assert_eq!(header.len(), 2560);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    prefix: [u8; PREFIX_LEN],
    core: Core,
    commitment: [u8; 32],
    geometry: Geometry,
    slot: Slot,
    slot_bytes: Vec<u8>,
    slot_states: Vec<SlotState>,
}

impl Header {
    /// The header at the start of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where the bytes are not a header, end within it, or no slot is whole.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Some((prefix, _)) = bytes.split_first_chunk() else {
            return Err(Self::cut(bytes));
        };
        let (core, geometry) = Self::parse_prefix(prefix)?;
        let Some(header) = bytes.get(..geometry.header_len()) else {
            return Err(Self::cut(bytes));
        };
        let (slot, slot_bytes, slot_states) = newest_slot(header, core.layers, geometry)?;
        let mut commitment = [0; 32];
        commitment.copy_from_slice(prefix.get(CORE_LEN..PROLOGUE_LEN).unwrap_or_default());
        let (prefix, slot_bytes) = (*prefix, slot_bytes.to_vec());
        Ok(Self { prefix, core, commitment, geometry, slot, slot_bytes, slot_states })
    }

    /// The length of the header that begins with `bytes`, or how many bytes are needed to know it.
    ///
    /// Where `bytes` has at least that length, [`Header::parse`] needs no more. Otherwise read on until it
    /// has, and ask again: nothing behind the header is read that way.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where no header begins with `bytes`.
    ///
    /// # Example
    ///
    /// ```
    /// use std::io::Read;
    /// use strongroom::document::{self, Header, SealOptions};
    /// use strongroom::secret::Secret;
    /// use strongroom::wrap::{KeyId, WrappingKey};
    ///
    /// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
    /// let sealed = document::seal(b"text", &[key], &SealOptions::default())?;
    ///
    /// let (mut input, mut bytes) = (&sealed[..], Vec::new());
    /// while bytes.len() < Header::required_len(&bytes)? {
    ///     let start = bytes.len();
    ///     bytes.resize(Header::required_len(&bytes)?, 0);
    ///     input.read_exact(&mut bytes[start..]).expect("from wherever the document comes");
    /// }
    /// assert_eq!(Header::parse(&bytes)?.len(), bytes.len());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn required_len(bytes: &[u8]) -> Result<usize, Error> {
        if let Some((prefix, _)) = bytes.split_first_chunk() {
            let (_, geometry) = Self::parse_prefix(prefix)?;
            return Ok(geometry.header_len());
        }
        let magic = bytes.get(..prologue::MAGIC.len()).unwrap_or(bytes);
        if prologue::MAGIC.starts_with(magic) { Ok(PREFIX_LEN) } else { Err(Self::cut(bytes)) }
    }

    fn parse_prefix(prefix: &[u8; PREFIX_LEN]) -> Result<(Core, Geometry), Error> {
        let [core @ .., g0, g1, g2, g3, g4, g5, g6, g7] = prefix;
        let (core, _commitment) = core.split_first_chunk().unwrap_or((&[0; CORE_LEN], &[]));
        let core = Core::parse(core)?;
        let geometry = Geometry::parse([*g0, *g1, *g2, *g3, *g4, *g5, *g6, *g7])?;
        Ok((core, geometry))
    }

    /// The error for bytes that end within the header: of a truncated document, or not of a document.
    pub(crate) fn cut(bytes: &[u8]) -> Error {
        let magic = prologue::MAGIC;
        let common = bytes.len().min(magic.len());
        if bytes.is_empty() || bytes.get(..common) != magic.get(..common) {
            Error::format(0, prologue::not_a_document(bytes))
        } else {
            Error::format(bytes.len(), "it ends within its header")
        }
    }

    /// Length in bytes: the body starts there.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        self.geometry.header_len()
    }

    /// Number of layers of encryption, 1 or 2.
    #[must_use]
    pub fn layers(&self) -> u8 {
        self.core.layers
    }

    /// Length of the document's chunks.
    #[must_use]
    pub fn chunk_len(&self) -> ChunkLen {
        self.core.chunk_len
    }

    /// Length of the plaintext, if it was known when sealing began.
    #[must_use]
    pub fn plaintext_len(&self) -> PlaintextLen {
        self.core.plaintext_len
    }

    /// The time from which the document may not be opened, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        (self.core.expires_at != 0).then_some(self.core.expires_at)
    }

    /// The random salt of the document's keys.
    #[must_use]
    pub fn salt(&self) -> &[u8; 32] {
        &self.core.salt
    }

    /// The tag of the context that the document belongs to. Nothing about the context follows from it for
    /// those who cannot unwrap the data key.
    #[must_use]
    pub fn context_tag(&self) -> &[u8; 32] {
        &self.core.context_tag
    }

    /// The commitment to the data key: it identifies the document.
    #[must_use]
    pub fn commitment(&self) -> &[u8; 32] {
        &self.commitment
    }

    /// The number of times that the recipients were written: 1 for a document that was never rewrapped.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.slot.generation
    }

    /// The recipients, each of which can unwrap a data key of the document.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.slot.recipients
    }

    /// The state of each slot. Anything but [`SlotState::Current`] asks for the slot to be written
    /// again from the current one.
    #[must_use]
    pub fn slots(&self) -> &[SlotState] {
        &self.slot_states
    }

    /// Length of a slot in bytes.
    #[must_use]
    pub fn slot_len(&self) -> usize {
        self.geometry.slot_len()
    }

    /// The first 128 bytes of the document. They never change, and a detached body begins with them.
    #[must_use]
    pub fn prologue(&self) -> &[u8; PROLOGUE_LEN] {
        self.prefix.first_chunk().unwrap_or(&[0; PROLOGUE_LEN])
    }

    /// The salt, the bytes that are bound into every key, and the context's tag.
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// The same, as they stand in the document.
    pub(crate) fn core_bytes(&self) -> &[u8; CORE_LEN] {
        self.prefix.first_chunk().unwrap_or(&[0; CORE_LEN])
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The slot that was chosen, as it was read.
    #[cfg(feature = "std")]
    pub(crate) fn slot_bytes(&self) -> &[u8] {
        &self.slot_bytes
    }

    /// Refuses a slot that was not written with the document's keys.
    pub(crate) fn check_slot(&self, header_key: &HeaderKey) -> Result<(), Error> {
        let slot = parts(&self.slot_bytes).ok_or(Error::Authentication)?;
        check(&header_key.slot_mac(&self.prefix, slot.authenticated), slot.mac)
    }

    /// The bytes of a new header.
    pub(crate) fn encode(
        core: &Core,
        keys: &BoundKeys,
        slots: Slots,
        recipients: Vec<Recipient>,
    ) -> Result<Vec<u8>, Error> {
        let mut prologue = [0; PROLOGUE_LEN];
        let (front, commitment) = prologue.split_at_mut(CORE_LEN);
        front.copy_from_slice(&core.encode());
        commitment.copy_from_slice(&keys.commitment);
        let geometry = Geometry::holding(slots, Recipient::encoded_len_of(&recipients))?;
        let mut slot = Slot { generation: 1, recipients };
        Self::assemble(&prologue, geometry, core.layers, &keys.header_key, &mut slot)
    }

    /// A header's bytes: prologue, geometry, and the slot in all its places.
    pub(crate) fn assemble(
        prologue: &[u8; PROLOGUE_LEN],
        geometry: Geometry,
        layers: u8,
        header_key: &HeaderKey,
        slot: &mut Slot,
    ) -> Result<Vec<u8>, Error> {
        let mut header = Vec::with_capacity(geometry.header_len());
        header.extend_from_slice(prologue);
        header.extend(geometry.encode());
        let mut ranges = geometry.slot_ranges();
        let first = ranges.next().unwrap_or_default();
        header.resize(first.start, 0);
        slot.encode(layers, geometry.slot_len(), header_key, &mut header)?;
        for range in ranges {
            header.resize(range.start, 0);
            header.extend_from_within(first.clone());
        }
        Ok(header)
    }
}

/// Chooses the slot of the highest generation among the whole ones.
///
/// A wrong HMAC in that slot is an error later, never a reason to take the other one: the checksum
/// covers the HMAC, so that this is not damage but a slot that somebody made, and falling back would let
/// them choose between two sets of recipients.
fn newest_slot(
    header: &[u8],
    layers: u8,
    geometry: Geometry,
) -> Result<(Slot, &[u8], Vec<SlotState>), Error> {
    let slots: Vec<(usize, &[u8])> = geometry
        .slot_ranges()
        .filter_map(|range| Some((range.start, header.get(range)?)))
        .collect();
    let first = slots.first().map_or(PREFIX_LEN, |(start, _)| *start);
    let gap = header.get(PREFIX_LEN..first).unwrap_or_default();
    if gap.iter().any(|byte| *byte != 0) {
        return Err(Error::format(PREFIX_LEN, "bytes before the header slots are not zero"));
    }

    let mut parsed = Vec::new();
    for (start, bytes) in &slots {
        if Slot::is_whole(bytes) {
            let slot =
                Slot::parse(layers, bytes).map_err(|reason| Error::format(*start, reason))?;
            parsed.push((slot, *bytes));
        }
    }
    let Some((newest, newest_bytes)) =
        parsed.iter().max_by_key(|(slot, _)| slot.generation).cloned()
    else {
        let reason = match geometry.slots() {
            Slots::One => "the header slot is damaged",
            Slots::Two => "both header slots are damaged",
        };
        return Err(Error::format(first, reason));
    };
    let states = slots
        .iter()
        .map(|(start, bytes)| {
            let Some((slot, _)) = parsed.iter().find(|(_, whole)| core::ptr::eq(*whole, *bytes))
            else {
                return Ok(SlotState::Damaged);
            };
            if slot.generation < newest.generation {
                Ok(SlotState::Stale)
            } else if *bytes == newest_bytes {
                Ok(SlotState::Current)
            } else {
                Err(Error::format(*start, "the header slots differ in the same generation"))
            }
        })
        .collect::<Result<_, _>>()?;
    Ok((newest, newest_bytes, states))
}

/// In constant time.
pub(crate) fn check(computed: &[u8; 32], found: &[u8; 32]) -> Result<(), Error> {
    if bool::from(computed.ct_eq(found)) { Ok(()) } else { Err(Error::Authentication) }
}
