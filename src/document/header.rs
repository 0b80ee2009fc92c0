//! The header as a whole: prologue, geometry and slots, from bytes and to bytes.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use super::data_key::DataKey;
use super::geometry::{Geometry, PREFIX_LEN, Slots};
use super::key_schedule::{BoundKeys, KeySchedule};
use super::opener::{OpenOptions, Opener};
use super::prologue::{CORE_LEN, Core, PROLOGUE_LEN};
use super::recipient::Recipient;
use super::slot::{Slot, parts};
use super::{ChunkLen, PlaintextLen};
use crate::error::Error;
use crate::wrap::UnwrappingKey;

/// What became of one of a header's slots.
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
    /// Its checksum does not hold. The other slot serves.
    Damaged,
}

/// A document's header, parsed but not authenticated: [`Header::unlock`] does that.
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
#[derive(Clone, Debug)]
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
    /// [`Error::Format`] where the bytes are no header, end within it, or no slot is whole.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Some((prefix, _)) = bytes.split_first_chunk() else {
            return Err(Self::cut(bytes));
        };
        let (core, geometry) = Self::parse_prefix(prefix)?;
        let Some(header) = bytes.get(..geometry.header_len()) else {
            return Err(Self::cut(bytes));
        };
        let (slot, slot_bytes, slot_states) = newest_slot(header, geometry)?;
        let mut commitment = [0; 32];
        commitment.copy_from_slice(prefix.get(CORE_LEN..PROLOGUE_LEN).unwrap_or_default());
        let (prefix, slot_bytes) = (*prefix, slot_bytes.to_vec());
        Ok(Self { prefix, core, commitment, geometry, slot, slot_bytes, slot_states })
    }

    /// How long the header is that begins with `prefix`.
    #[cfg(feature = "std")]
    pub(crate) fn len_from_prefix(prefix: &[u8; PREFIX_LEN]) -> Result<usize, Error> {
        Self::parse_prefix(prefix).map(|(_, geometry)| geometry.header_len())
    }

    fn parse_prefix(prefix: &[u8; PREFIX_LEN]) -> Result<(Core, Geometry), Error> {
        let [core @ .., g0, g1, g2, g3, g4, g5, g6, g7] = prefix;
        let (core, _commitment) = core.split_first_chunk().unwrap_or((&[0; CORE_LEN], &[]));
        let core = Core::parse(core)?;
        let geometry = Geometry::parse([*g0, *g1, *g2, *g3, *g4, *g5, *g6, *g7])?;
        Ok((core, geometry))
    }

    /// The error for bytes that end within the header: they are no document at all, or a cut one.
    pub(crate) fn cut(bytes: &[u8]) -> Error {
        let magic = super::prologue::MAGIC;
        let common = bytes.len().min(magic.len());
        if bytes.is_empty() || bytes.get(..common) != magic.get(..common) {
            Error::format(0, "it does not begin as one")
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

    /// When the document may not be opened any more, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        (self.core.expires_at != 0).then_some(self.core.expires_at)
    }

    /// The commitment to the data key: it identifies the document.
    #[must_use]
    pub fn commitment(&self) -> &[u8; 32] {
        &self.commitment
    }

    /// How often the recipients were written: 1 for a document that was never rewrapped.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.slot.generation
    }

    /// Who can unwrap the document's data keys.
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

    /// Authenticates the header with its data key and gives what opens the body.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where key, context or header do not belong together;
    /// [`Error::Expired`] where the document's time is up; [`Error::Format`] for a document of two
    /// layers, which this version cannot open yet.
    pub fn unlock(&self, data_key: &DataKey, options: &OpenOptions) -> Result<Opener, Error> {
        if self.core.layers != 1 {
            return Err(Error::format(10, "it has two layers, which cannot be opened yet"));
        }
        let schedule = KeySchedule::new(&self.core.salt, data_key);
        let keys = schedule.bind(&self.core.encode())?;
        // In this order: a key that is not committed to is not used for anything else.
        check(&keys.commitment, &self.commitment)?;
        let slot = parts(&self.slot_bytes).ok_or(Error::Authentication)?;
        check(&keys.slot_mac(&self.prefix, slot.authenticated)?, slot.mac)?;
        check(&schedule.context_tag(&options.context.encode())?, &self.core.context_tag)?;
        if let Some(expires_at) = self.expires_at()
            && options.now()? >= expires_at
        {
            return Err(Error::Expired { expires_at });
        }
        Ok(Opener::new(self, &keys, options))
    }

    /// Unwraps the data key with one of `keys`, then does as [`Header::unlock`].
    ///
    /// A recipient and a key belong together where id and algorithm are the same. An id in a
    /// header is only matched with the keys given here.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] where no key belongs to a recipient, and those of [`Header::unlock`].
    pub fn unlock_with(
        &self,
        keys: &[UnwrappingKey],
        options: &OpenOptions,
    ) -> Result<Opener, Error> {
        let mut outcome = Err(self.no_key());
        for recipient in self.recipients() {
            for key in keys {
                if Some(key.algorithm()) != recipient.algorithm() || key.id() != recipient.key_id()
                {
                    continue;
                }
                outcome = key
                    .unwrap(recipient.wrapped())
                    .and_then(|payload| DataKey::from_payload(recipient.layer(), &payload))
                    .and_then(|data_key| self.unlock(&data_key, options));
                if outcome.is_ok() {
                    return outcome;
                }
            }
        }
        outcome
    }

    /// [`Error::NoKey`] for this document: it names the ids that would do.
    #[must_use]
    pub fn no_key(&self) -> Error {
        let ids: Vec<&str> =
            self.recipients().iter().map(|recipient| recipient.key_id().as_str()).collect();
        Error::NoKey { wrapped_with: ids.join(", ") }
    }

    /// The bytes of a new header.
    pub(crate) fn encode(
        core: &Core,
        keys: &BoundKeys,
        slots: Slots,
        recipients: Vec<Recipient>,
    ) -> Result<Vec<u8>, Error> {
        let mut slot = Slot { generation: 1, recipients };
        let geometry = Geometry::holding(slots, encoded_len(&slot.recipients))?;
        let mut bytes = core.encode().to_vec();
        bytes.extend(keys.commitment);
        bytes.extend(geometry.encode());
        let slot = slot.encode(geometry.slot_len(), |content| keys.slot_mac(&bytes, content))?;
        for range in geometry.slot_ranges() {
            bytes.resize(range.start, 0);
            bytes.extend_from_slice(&slot);
        }
        Ok(bytes)
    }
}

/// Length of the recipients' encoding in bytes.
fn encoded_len(recipients: &[Recipient]) -> usize {
    recipients.iter().map(Recipient::encoded_len).sum()
}

/// Chooses the slot of the highest generation among the whole ones.
///
/// A wrong HMAC in that slot is an error later, never a reason to take the other one: falling
/// back would let an attacker choose between two sets of recipients.
fn newest_slot(header: &[u8], geometry: Geometry) -> Result<(Slot, &[u8], Vec<SlotState>), Error> {
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
            let slot = Slot::parse(bytes).map_err(|reason| Error::format(*start, reason))?;
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

fn check(computed: &[u8; 32], found: &[u8; 32]) -> Result<(), Error> {
    if bool::from(computed.ct_eq(found)) { Ok(()) } else { Err(Error::Authentication) }
}
