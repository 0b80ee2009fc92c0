//! Many small documents in one call, spread over the current thread pool.

use alloc::vec::Vec;

use crate::document::PlaintextLen;
use crate::document::header::Header;
use crate::document::header::recipient::Recipient;
use crate::document::header::rewrap::{ExpectedContext, Rewrap, RewrapOptions};
use crate::document::key_schedule::DataKey;
use crate::document::open::OpenOptions;
use crate::document::seal::{Layers, SealOptions, Sealer};
use crate::error::Error;
use crate::parallel::{Memory, Work, for_each_init};
use crate::random::Supply;
use crate::secret::SecretVec;
use crate::wrap::UnwrappingKey;

/// Seals each text with its own options, for the same keys. The results are in the order of the texts,
/// and one that fails does not disturb the others.
///
/// # Errors
///
/// Each result has those of [`document::seal`](super::seal).
///
/// # Security
///
/// As [`Sealer`]: every document has its own data key and salt.
///
/// # Example
///
/// ```
/// use strongroom::document::{OpenOptions, SealOptions, Slots, open_many, seal_many};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("resource/7/service/1")?, [7; 32]);
/// let wrapping = [WrappingKey::aes(id.clone(), Secret::copy_from(&key))];
/// let options = SealOptions { slots: Slots::One, ..SealOptions::default() };
/// let sealed = seal_many(&[(b"one", &options), (b"two", &options)], &wrapping);
/// let sealed = sealed.into_iter().collect::<Result<Vec<_>, _>>()?;
///
/// let unwrapping = [UnwrappingKey::aes(id, Secret::copy_from(&key))];
/// let options = OpenOptions::default();
/// let opened = open_many(&[(&sealed[0], &options), (&sealed[1], &options)], &unwrapping);
/// assert_eq!(opened[1].as_deref().ok(), Some(&b"two"[..]));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn seal_many<'k>(
    texts: &[(&[u8], &SealOptions)],
    keys: impl Into<Layers<'k>>,
) -> Vec<Result<Vec<u8>, Error>> {
    let keys = keys.into();
    each(
        texts,
        |(text, _)| text.len(),
        Supply::new,
        |supply, (text, options)| {
            let plaintext_len = PlaintextLen::Known(text.len() as u64);
            let fill = |bytes: &mut [u8]| supply.fill(bytes);
            Sealer::with_random(fill, plaintext_len, keys, options)?.seal_slice(text)
        },
    )
}

/// Opens each document with its own options and one of `keys`. The results are in the order of the
/// documents, and one that fails does not disturb the others.
///
/// # Errors
///
/// Each result has those of [`document::open`](super::open).
///
/// # Example
///
/// See [`seal_many`].
#[must_use]
pub fn open_many(
    documents: &[(&[u8], &OpenOptions)],
    keys: &[UnwrappingKey],
) -> Vec<Result<Vec<u8>, Error>> {
    each(
        documents,
        |(sealed, _)| sealed.len(),
        || (),
        |(), (sealed, options)| super::open(sealed, keys, options),
    )
}

/// Does as [`Header::rewrap_with`] for many headers, each with its own options: the unwrapping, which is
/// nearly all of the work under an RSA key, is one batch a key. The results are in the order of the
/// headers, and one that fails does not disturb the others.
///
/// # Errors
///
/// Each result has those of [`Header::rewrap_with`].
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, RewrapOptions, SealOptions, rewrap_many};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"text", &[wrapping], &SealOptions::default())?;
/// let options = RewrapOptions::default();
/// let headers = (0..3).map(|_| Ok((Header::parse(&sealed)?, &options)));
/// let headers = headers.collect::<Result<Vec<_>, strongroom::Error>>()?;
///
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let rewraps = rewrap_many(headers, &[key]);
/// assert!(rewraps.iter().all(Result::is_ok));
/// # Ok::<(), strongroom::Error>(())
/// ```
#[must_use]
pub fn rewrap_many<C: ExpectedContext>(
    headers: Vec<(Header, &RewrapOptions<C>)>,
    keys: &[UnwrappingKey],
) -> Vec<Result<Rewrap<C>, Error>> {
    let mut unwrapped: Vec<Vec<Option<Result<SecretVec, Error>>>> = headers
        .iter()
        .map(|(header, _)| header.recipients().iter().map(|_| None).collect())
        .collect();
    for key in keys {
        let (places, wrapped): (Vec<_>, Vec<_>) = headers
            .iter()
            .enumerate()
            .flat_map(|(header, (parsed, options))| {
                let is_for_key = move |(_, recipient): &(_, &Recipient)| {
                    recipient.is_for(key) && options.policy.permits(recipient)
                };
                let recipients = parsed.recipients().iter().enumerate().filter(is_for_key);
                recipients.map(move |(recipient, found)| {
                    let expected = DataKey::expected(found.layer());
                    ((header, recipient), (found.wrapped(), expected))
                })
            })
            .unzip();
        let payloads = key.unwrap_batch_expected(&wrapped);
        for ((header, recipient), payload) in places.into_iter().zip(payloads) {
            let place = unwrapped.get_mut(header).and_then(|places| places.get_mut(recipient));
            if let Some(place) = place.filter(|place| !matches!(place, Some(Ok(_)))) {
                *place = Some(payload);
            }
        }
    }
    let pairs = headers.into_iter().zip(unwrapped);
    pairs
        .map(|((header, options), mut unwrapped)| {
            let recipients = header.recipients().to_vec();
            // Each recipient is asked about once, so that its answer can be taken.
            header.rewrap_by(options, |asked| {
                let place = recipients.iter().position(|recipient| recipient == asked)?;
                unwrapped.get_mut(place)?.take()
            })
        })
        .collect()
}

/// `work` on each item, results in order; each worker has a state of its own, which `init` makes.
fn each<I: Sync, T: Send, S>(
    items: &[I],
    bytes: impl Fn(&I) -> usize,
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &I) -> Result<T, Error> + Sync,
) -> Vec<Result<T, Error>> {
    let mut results: Vec<Option<Result<T, Error>>> = items.iter().map(|_| None).collect();
    let bytes = items.iter().map(|item| bytes(item).saturating_add(HEADER_WORK) as u64).sum();
    let all = Work { bytes, jobs: items.len() as u64 };
    // The results carry the errors, and the run itself has none.
    let jobs = items.iter().zip(&mut results);
    let run = for_each_init(all.team(Memory::Callers), jobs, init, |state, (item, result)| {
        *result = Some(work(state, item));
        Ok(())
    });
    debug_assert!(run.is_ok());
    results.into_iter().map(|result| result.unwrap_or(Err(Error::Fault))).collect()
}

/// Cost of deriving a document's keys and of its header, in bytes of chunk work.
const HEADER_WORK: usize = 32 * 1024;
