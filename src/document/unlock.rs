//! From a header and keys to what opens the body.
//!
//! ```text
//! recipients -> the ones that policy and caller name -> unwrap -> data key, one a layer
//!            -> commitment -> HMAC of the slot -> context -> expiry -> Opener
//! ```

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use super::data_key::DataKey;
use super::header::{Header, check};
use super::key_schedule::{BoundKeys, KeySchedule};
use super::opener::{OpenOptions, Opener};
use super::policy::OpenPolicy;
use super::recipient::Recipient;
use crate::error::Error;
use crate::secret::SecretVec;
use crate::wrap::UnwrappingKey;

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
        check(&schedule.context_tag(&options.context.encode())?, &self.core().context_tag)?;
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
    pub(super) fn authenticate(
        &self,
        data_keys: &[DataKey],
    ) -> Result<(KeySchedule, BoundKeys), Error> {
        if !data_keys.iter().map(DataKey::layer).eq(1..=self.layers()) {
            let reason = "one for each of the document's layers is needed, the inner one first";
            return Err(Error::Argument { what: "data keys", reason });
        }
        let schedule = KeySchedule::new(&self.core().salt, data_keys)?;
        let keys = schedule.bind(&self.core().encode())?;
        self.check_keys(&keys)?;
        Ok((schedule, keys))
    }

    /// Calls `attempt` with data keys, one a layer, until it succeeds: where one recipient does not
    /// hold, another of its layer may. `found` are those of the layers before.
    pub(super) fn search<T, E: From<Error>>(
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
pub(super) fn unwrap_with(
    keys: &[UnwrappingKey],
    recipient: &Recipient,
) -> Option<Result<SecretVec, Error>> {
    keys.iter()
        .filter(|key| recipient.is_for(key))
        .map(|key| key.unwrap(recipient.wrapped()))
        .reduce(Result::or)
}
