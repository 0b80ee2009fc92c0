//! From a header, keys and the caller's policy to the opener of the body.
//!
//! ```text
//! recipients -> the ones that policy and caller name -> unwrap -> data key, one a layer
//!            -> commitment -> HMAC of the slot -> context -> expiry -> Opener
//! ```

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use crate::document::header::recipient::Recipient;
use crate::document::header::{Header, check};
use crate::document::key_schedule::{BoundKeys, DataKey, KeySchedule};
use crate::document::open::{OpenOptions, Opener};
use crate::error::Error;
use crate::secret::SecretVec;
use crate::wrap::{Algorithm, KeyId, UnwrappingKey};

impl Header {
    /// Authenticates the header with its data keys and gives what opens the body.
    ///
    /// `data_keys` are one for each layer, the inner one (layer 1) first.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where keys, context or header do not belong together;
    /// [`Error::Expired`] where the document's time is up; [`Error::Format`] where it has fewer layers
    /// than the policy demands; [`Error::Argument`] for data keys of other layers.
    pub fn unlock(&self, data_keys: &[DataKey], options: &OpenOptions) -> Result<Opener, Error> {
        options.policy.check(self)?;
        let (schedule, keys) = self.authenticate(data_keys)?;
        check(&schedule.context_tag(&options.context.encode()), &self.core().context_tag)?;
        if let Some(expires_at) = self.expires_at()
            && options.now()? >= expires_at
        {
            return Err(Error::Expired { expires_at });
        }
        Opener::new(self, &keys, options)
    }

    /// Unwraps the data keys with `keys`, then does as [`Header::unlock`].
    ///
    /// A recipient and a key belong together where id and algorithm are the same and the policy
    /// permits them. An id in a header is only matched with the keys given here.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] where for some layer no key belongs to a recipient, and those of
    /// [`Header::unlock`].
    pub fn unlock_with(
        &self,
        keys: &[UnwrappingKey],
        options: &OpenOptions,
    ) -> Result<Opener, Error> {
        self.unlock_by(options, |recipient| unwrap_with(keys, recipient))
    }

    /// Unwraps the data keys by asking `unwrap`, a vault for example, then does as
    /// [`Header::unlock`]. It is asked about recipients that the policy permits, and answers `None`
    /// where a recipient is not its own: an id in a header is anyone's word.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] where for some layer it knows no recipient; where none that it knows unwraps,
    /// the first failure; those of [`Header::unlock`].
    pub fn unlock_by<E: From<Error>>(
        &self,
        options: &OpenOptions,
        mut unwrap: impl FnMut(&Recipient) -> Option<Result<SecretVec, E>>,
    ) -> Result<Opener, E> {
        options.policy.check(self)?;
        let unlock = |data_keys: &mut Vec<DataKey>| self.unlock(data_keys, options);
        self.search(&mut Vec::new(), &options.policy, &mut unwrap, &unlock)
    }

    /// Derives the document's keys and checks commitment and slot with them.
    pub(crate) fn authenticate(
        &self,
        data_keys: &[DataKey],
    ) -> Result<(KeySchedule, BoundKeys), Error> {
        if !data_keys.iter().map(DataKey::layer).eq(1..=self.layers()) {
            let reason = "one for each of the document's layers is needed, the inner one first";
            return Err(Error::Argument { what: "data keys", reason });
        }
        let schedule = KeySchedule::new(&self.core().salt, data_keys);
        let keys = schedule.bind(self.core_bytes());
        self.check_keys(&keys)?;
        Ok((schedule, keys))
    }

    /// Calls `attempt` with data keys, one a layer, until it succeeds: where one recipient does not
    /// hold, another of its layer may. `found` are those of the layers before.
    pub(crate) fn search<T, E: From<Error>>(
        &self,
        found: &mut Vec<DataKey>,
        policy: &OpenPolicy,
        unwrap: &mut dyn FnMut(&Recipient) -> Option<Result<SecretVec, E>>,
        attempt: &dyn Fn(&mut Vec<DataKey>) -> Result<T, Error>,
    ) -> Result<T, E> {
        let Some(layer) = (1..=self.layers()).nth(found.len()) else {
            return attempt(found).map_err(E::from);
        };
        let of_layer = || self.recipients().iter().filter(|recipient| recipient.layer() == layer);
        // Where one recipient unwraps, what fails after that is the document's answer.
        let (mut not_unwrapped, mut failed) = (None, None);
        for recipient in of_layer().filter(|recipient| policy.permits(recipient)) {
            let Some(unwrapped) = unwrap(recipient) else { continue };
            let data_key = unwrapped
                .and_then(|payload| DataKey::from_payload(layer, &payload).map_err(E::from));
            match data_key {
                Ok(data_key) => found.push(data_key),
                Err(error) => {
                    not_unwrapped = not_unwrapped.or(Some(error));
                    continue;
                }
            }
            let outcome = self.search(found, policy, unwrap, attempt);
            found.pop();
            match outcome {
                Ok(success) => return Ok(success),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.or(not_unwrapped).unwrap_or_else(|| {
            let ids: Vec<&str> = of_layer().map(|recipient| recipient.key_id().as_str()).collect();
            E::from(Error::NoKey { wrapped_with: ids.join(", ") })
        }))
    }
}

/// What the keys at hand make of a recipient: the first that unwraps it, or a failure.
pub(crate) fn unwrap_with(
    keys: &[UnwrappingKey],
    recipient: &Recipient,
) -> Option<Result<SecretVec, Error>> {
    keys.iter()
        .filter(|key| recipient.is_for(key))
        .map(|key| key.unwrap(recipient.wrapped()))
        .reduce(Result::or)
}

/// What the caller demands of a document before any of its keys is tried. A header is an attacker's
/// input: its key ids are matched with these, never obeyed, and no vault is to be asked for a key that
/// is not [permitted](OpenPolicy::permits).
///
/// # Example
///
/// ```
/// use strongroom::document::{OpenOptions, OpenPolicy};
/// use strongroom::wrap::{Algorithm, KeyId};
///
/// let policy = OpenPolicy {
///     key_ids: Some(vec![KeyId::new("resource/7/service/1")?, KeyId::new("resource/7/customer/2")?]),
///     algorithms: vec![Algorithm::A256Kw],
///     least_layers: 2,
/// };
/// let options = OpenOptions { policy, ..OpenOptions::default() };
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPolicy {
    /// The keys that may be used; `None` allows all that the caller hands in.
    pub key_ids: Option<Vec<KeyId>>,
    /// The wrapping algorithms that may be used; all that are known by default.
    pub algorithms: Vec<Algorithm>,
    /// The least number of layers, 1 by default: with 2 a document that lacks the customer's layer is
    /// refused.
    pub least_layers: u8,
}

impl OpenPolicy {
    /// Whether a recipient's key may be used.
    #[must_use]
    pub fn permits(&self, recipient: &Recipient) -> bool {
        recipient.algorithm().is_some_and(|algorithm| self.algorithms.contains(&algorithm))
            && self.key_ids.as_ref().is_none_or(|ids| ids.contains(recipient.key_id()))
    }

    /// Refuses a document of fewer layers than there must be.
    pub(crate) fn check(&self, header: &Header) -> Result<(), Error> {
        if header.layers() < self.least_layers {
            let reason = "it has fewer layers of encryption than the policy demands";
            return Err(Error::format(10, reason));
        }
        Ok(())
    }
}

impl Default for OpenPolicy {
    fn default() -> Self {
        Self {
            key_ids: None,
            algorithms: [Algorithm::RsaOaep256, Algorithm::A256Kw].into(),
            least_layers: 1,
        }
    }
}
