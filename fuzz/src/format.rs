//! A reader of sealed documents, written from `docs/format.md` alone. It shares the crates for AES,
//! AES key wrap and SHA-256 with the engine, and no code of the engine's.

use aes_gcm::aead::{AeadInOut, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// A header as it reads before any key is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    pub len: usize,
    pub layers: u8,
    pub chunk_len: u64,
    /// `None` for a stream.
    pub plaintext_len: Option<u64>,
    /// 0 is never.
    pub expires_at: u64,
    pub commitment: [u8; 32],
    pub generation: u64,
    pub recipients: Vec<Recipient>,
    /// Of each slot, its generation where it is whole.
    pub slots: Vec<Option<u64>>,
    /// The slot that counts.
    slot: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    pub layer: u8,
    pub algorithm: u8,
    pub key_id: Vec<u8>,
    pub wrapped: Vec<u8>,
}

/// Key and options to open a document with: one AES key, the context and the time.
#[derive(Clone, Copy)]
pub struct Holder<'k> {
    pub key_id: &'k str,
    pub key: &'k [u8; 32],
    /// The context's encoding.
    pub context: &'k [u8],
    pub now: u64,
}

const TAG_LEN: u64 = 16;
const MAX_PLAINTEXT_LEN: u64 = 1 << 44;
const MAX_CHUNKS: u64 = 1 << 32;

/// The plaintext of a whole document, or nothing where the format refuses.
pub fn open(sealed: &[u8], holder: Holder<'_>) -> Option<Vec<u8>> {
    let header = parse(sealed)?;
    let (core, salt) = (&sealed[..96], &sealed[32..64]);
    let data_keys = (1..=header.layers)
        .map(|layer| {
            // No two recipients of one layer share algorithm and id.
            let recipient = header.recipients.iter().find(|recipient| {
                (recipient.layer, recipient.algorithm) == (layer, 2)
                    && recipient.key_id == holder.key_id.as_bytes()
            })?;
            unwrap(layer, holder.key, &recipient.wrapped)
        })
        .collect::<Option<Vec<_>>>()?;
    let chunk_keys = unlock(&header, sealed, core, salt, &data_keys, holder)?;
    open_body(&header, &chunk_keys, sealed.get(header.len..)?)
}

/// The data key of a layer.
fn unwrap(layer: u8, key: &[u8; 32], wrapped: &[u8]) -> Option<[u8; 32]> {
    let mut payload = [0; 40];
    aes_kw::KwAes256::new(key.into()).unwrap_key(wrapped, &mut payload).ok()?;
    let data_key = payload.strip_prefix(b"SRMDK\x01\x01")?.strip_prefix(&[layer])?;
    data_key.try_into().ok()
}

/// The chunk keys, inner one first, where commitment, HMAC, context and time are as they must be.
fn unlock(
    header: &Header,
    sealed: &[u8],
    core: &[u8],
    salt: &[u8],
    data_keys: &[[u8; 32]],
    holder: Holder<'_>,
) -> Option<Vec<[u8; 32]>> {
    let prk = Hkdf::<Sha256>::new(Some(salt), &data_keys.concat());
    let core_hash = Sha256::digest(core);
    let (authenticated, end) = header.slot.split_at(header.slot.len() - 48);
    let (mac, _checksum) = end.split_at(32);
    let derive = |label: &[u8], info: &[u8]| expand(&prk, &[label, info]);
    let holds = derive(b"strongroom/1 commit", &core_hash) == header.commitment
        && hmac(&derive(b"strongroom/1 header", &core_hash), &[&sealed[..136], authenticated])
            == mac
        && hmac(&derive(b"strongroom/1 context", b""), &[holder.context]) == core[64..96]
        && (header.expires_at == 0 || holder.now < header.expires_at);
    let chunk_key = |(layer, data_key): (u8, &[u8; 32])| {
        let prk = Hkdf::<Sha256>::new(Some(salt), data_key);
        expand(&prk, &[b"strongroom/1 chunk key", &[layer], &core_hash])
    };
    holds.then(|| (1..).zip(data_keys).map(chunk_key).collect())
}

fn expand(prk: &Hkdf<Sha256>, info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    prk.expand_multi_info(info, &mut key).expect("32 bytes are not too many");
    key
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key's");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn open_body(header: &Header, chunk_keys: &[[u8; 32]], body: &[u8]) -> Option<Vec<u8>> {
    let tags_len = TAG_LEN * u64::from(header.layers);
    let record_len = usize::try_from(header.chunk_len + tags_len).ok()?;
    let records: Vec<_> = body.chunks(record_len).collect();
    let mut plaintext = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if record.len() as u64 <= tags_len && records.len() > 1 {
            return None;
        }
        let mut nonce = [0; 12];
        nonce[6..10].copy_from_slice(&u32::try_from(index).ok()?.to_be_bytes());
        nonce[11] = u8::from(index + 1 == records.len());
        let mut text = record.to_vec();
        for chunk_key in chunk_keys.iter().rev() {
            let tag = text.split_off(text.len().checked_sub(16)?);
            let tag: [u8; 16] = tag.try_into().ok()?;
            aes_gcm::Aes256Gcm::new(chunk_key.into())
                .decrypt_inout_detached(&nonce.into(), b"", text[..].as_mut().into(), &tag.into())
                .ok()?;
        }
        plaintext.extend(text);
    }
    let is_right = !records.is_empty()
        && header.plaintext_len.is_none_or(|expected| expected == plaintext.len() as u64);
    is_right.then_some(plaintext)
}

/// The header at the start of a document, or nothing where the format refuses.
pub fn parse(sealed: &[u8]) -> Option<Header> {
    let mut rest = Fields(sealed);
    let [layers, chunk_log2] = match rest.take::<12>()? {
        [
            0x93,
            b'S',
            b'R',
            b'M',
            b'\r',
            b'\n',
            0x1a,
            b'\n',
            1,
            1,
            layers @ 1..=2,
            log2 @ 12..=24,
        ] => [layers, log2],
        _ => return None,
    };
    let chunk_len = 1 << chunk_log2;
    rest.zeros(4)?;
    let plaintext_len = match u64::from_be_bytes(rest.take()?) {
        u64::MAX => None,
        len if len > MAX_PLAINTEXT_LEN || len.div_ceil(chunk_len) > MAX_CHUNKS => return None,
        len => Some(len),
    };
    let expires_at = u64::from_be_bytes(rest.take()?);
    rest.take::<64>()?;
    let commitment = rest.take()?;
    let [slots, size] = rest.take()?;
    rest.zeros(6)?;

    let unit = 512 * usize::from(size);
    let (starts, slot_len, len) = match (slots, size) {
        (_, 0) => return None,
        (1, _) => (vec![136], unit - 136, unit),
        (2, _) => {
            rest.zeros(512 - 136)?;
            (vec![512, 512 + unit], unit, 512 + 2 * unit)
        }
        _ => return None,
    };
    let header = sealed.get(..len)?;
    let mut whole: Vec<(u64, Vec<Recipient>, &[u8])> = Vec::new();
    let mut slots = Vec::new();
    for start in starts {
        let slot = &header[start..start + slot_len];
        let (checked, checksum) = slot.split_at(slot.len() - 16);
        if Sha256::digest(checked)[..16] != *checksum {
            slots.push(None);
            continue;
        }
        let (generation, recipients) = parse_slot(layers, &slot[..slot.len() - 48])?;
        if whole.iter().any(|(other, _, bytes)| *other == generation && *bytes != slot) {
            return None;
        }
        slots.push(Some(generation));
        whole.push((generation, recipients, slot));
    }
    let (generation, recipients, slot) = whole.into_iter().max_by_key(|(found, ..)| *found)?;
    let slot = slot.to_vec();
    Some(Header {
        len,
        layers,
        chunk_len,
        plaintext_len,
        expires_at,
        commitment,
        generation,
        recipients,
        slots,
        slot,
    })
}

/// Generation and recipients of a whole slot; `content` ends before the HMAC.
fn parse_slot(layers: u8, content: &[u8]) -> Option<(u64, Vec<Recipient>)> {
    let mut rest = Fields(content);
    let generation = u64::from_be_bytes(rest.take()?);
    let mut recipients = Vec::new();
    while rest.0.first().is_some_and(|layer| *layer != 0) {
        let [layer, algorithm] = rest.take()?;
        let [id_len, wrapped_len] =
            [u16::from_be_bytes(rest.take()?), u16::from_be_bytes(rest.take()?)];
        let key_id = rest.bytes(id_len)?.to_vec();
        let wrapped = rest.bytes(wrapped_len)?.to_vec();
        let is_wrapped = match algorithm {
            1 => wrapped.len() == 256,
            2 => wrapped.len() == 48,
            _ => true,
        };
        let is_id = (1..=255).contains(&key_id.len())
            && key_id.iter().all(|byte| (0x21..=0x7e).contains(byte));
        if !is_wrapped || !is_id || layer > layers {
            return None;
        }
        recipients.push(Recipient { layer, algorithm, key_id, wrapped });
    }
    rest.zeros(rest.0.len())?;
    let order =
        |recipient: &Recipient| (recipient.layer, recipient.algorithm, recipient.key_id.clone());
    let is_sorted = recipients.is_sorted_by(|one, next| order(one) < order(next));
    let a_layer = |layer| recipients.iter().filter(|recipient| recipient.layer == layer).count();
    let is_list =
        generation > 0 && is_sorted && (1..=layers).all(|layer| (1..=8).contains(&a_layer(layer)));
    is_list.then_some((generation, recipients))
}

/// Bytes that are still to be read.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn bytes(&mut self, len: u16) -> Option<&'b [u8]> {
        let (field, rest) = self.0.split_at_checked(len.into())?;
        self.0 = rest;
        Some(field)
    }

    fn zeros(&mut self, len: usize) -> Option<()> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        field.iter().all(|byte| *byte == 0).then_some(())
    }
}
