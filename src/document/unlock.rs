//! From a header, keys and the caller's policy to the opener of the body.
//!
//! ```text
//! recipients -> the ones that policy and caller name -> unwrap, each once -> data keys, some a layer
//!            -> the one a layer that the header commits to
//!            -> HMAC of the slot -> context -> expiry -> Opener
//! ```

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use crate::document::header::recipient::Recipient;
use crate::document::header::{Header, check};
use crate::document::key_schedule::{BoundKeys, Context, DataKey, KeySchedule};
use crate::document::open::{OpenOptions, Opener, time};
use crate::document::policy::OpenPolicy;
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
    /// than the policy demands, [`Error::RolledBack`] where its header is older; [`Error::Argument`] for
    /// data keys of other layers.
    pub fn unlock(&self, data_keys: &[DataKey], options: &OpenOptions) -> Result<Opener, Error> {
        options.policy.check(self)?;
        let derived = self.derive(data_keys)?;
        self.authenticate(&derived, Some(&options.context), options.now)?;
        Opener::new(self, &derived.keys, options)
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
    /// [`Header::unlock`]. It is asked about recipients that the policy permits, about each once at most
    /// and 16 in all, and answers `None` where a recipient is not its own: the key ids in a header are
    /// not authenticated.
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
        let Unlocked { derived, .. } = self.search(&options.policy, &mut unwrap)?;
        self.authenticate(&derived, Some(&options.context), options.now)?;
        Ok(Opener::new(self, &derived.keys, options)?)
    }

    /// Derives the document's keys, and refuses data keys that the header does not commit to.
    pub(crate) fn derive<'k>(
        &self,
        data_keys: impl IntoIterator<Item = &'k DataKey, IntoIter: Clone>,
    ) -> Result<Derived, Error> {
        let data_keys = data_keys.into_iter();
        if !data_keys.clone().map(DataKey::layer).eq(1..=self.layers()) {
            let reason = "one for each of the document's layers is needed, the inner one first";
            return Err(Error::Argument { what: "data keys", reason });
        }
        let schedule = KeySchedule::new(&self.core().salt, data_keys);
        let keys = schedule.bind(self.core_bytes());
        // Keys that are not committed to are not used for anything else.
        check(&keys.commitment, self.commitment())?;
        Ok(Derived { schedule, keys })
    }

    /// Checks the slot, the context unless any will do, and the expiry.
    pub(crate) fn authenticate(
        &self,
        derived: &Derived,
        context: Option<&Context>,
        now: Option<u64>,
    ) -> Result<(), Error> {
        self.check_slot(&derived.keys.header_key)?;
        if let Some(context) = context {
            let tag = derived.schedule.context_tag(&context.encode());
            check(&tag, &self.core().context_tag)?;
        }
        match self.expires_at() {
            Some(expires_at) if time(now)? >= expires_at => Err(Error::Expired { expires_at }),
            _ => Ok(()),
        }
    }

    /// Asks `unwrap` until it has data keys, one a layer, that the header commits to. Each recipient is
    /// asked about once at most, and those of the outer layer only when the inner one has a key.
    pub(crate) fn search<E: From<Error>>(
        &self,
        policy: &OpenPolicy,
        unwrap: &mut dyn FnMut(&Recipient) -> Option<Result<SecretVec, E>>,
    ) -> Result<Unlocked, E> {
        policy.check(self)?;
        let mut inner = Candidates::new(self, policy, 1);
        let mut outer = (self.layers() > 1).then(|| Candidates::new(self, policy, 2));
        let (mut inner_at, mut outer_at) = (0, 0);
        while inner.has(inner_at, unwrap) {
            if outer.as_mut().is_none_or(|outer| outer.has(outer_at, unwrap)) {
                let data_keys = inner.key(inner_at).into_iter();
                let data_keys =
                    data_keys.chain(outer.as_ref().and_then(|outer| outer.key(outer_at)));
                match self.derive(data_keys) {
                    Ok(derived) => {
                        let found =
                            [inner.take(inner_at), outer.and_then(|one| one.take(outer_at))];
                        let (recipients, data_keys) = found.into_iter().flatten().unzip();
                        return Ok(Unlocked { derived, data_keys, recipients });
                    }
                    Err(Error::Authentication) => {}
                    Err(error) => return Err(error.into()),
                }
                if outer.is_some() {
                    outer_at = outer_at.saturating_add(1);
                    continue;
                }
            } else if outer_at == 0 {
                break; // the outer layer has no key, whatever the inner one has
            }
            (inner_at, outer_at) = (inner_at.saturating_add(1), 0);
        }
        let lacking = [Some(inner), outer].into_iter().flatten().find_map(Candidates::why_none);
        Err(lacking.unwrap_or_else(|| E::from(Error::Authentication)))
    }
}

/// The keys of a document, of data keys that its header commits to.
pub(crate) struct Derived {
    schedule: KeySchedule,
    pub(crate) keys: BoundKeys,
}

/// The data keys that a header commits to, one a layer, and the recipients that gave them.
pub(crate) struct Unlocked {
    pub(crate) derived: Derived,
    pub(crate) data_keys: Vec<DataKey>,
    pub(crate) recipients: Vec<Recipient>,
}

/// The recipients of one layer that may be asked about, and the data keys that they gave so far.
struct Candidates<'h, E> {
    layer: u8,
    header: &'h Header,
    waiting: alloc::vec::IntoIter<&'h Recipient>,
    found: Vec<(&'h Recipient, DataKey)>,
    failed: Option<E>,
}

impl<'h, E: From<Error>> Candidates<'h, E> {
    fn new(header: &'h Header, policy: &OpenPolicy, layer: u8) -> Self {
        let permitted = |one: &&Recipient| one.layer() == layer && policy.permits(one);
        let waiting: Vec<_> = header.recipients().iter().filter(permitted).collect();
        let waiting = waiting.into_iter();
        Self { layer, header, waiting, found: Vec::new(), failed: None }
    }

    /// True where there is a data key number `at`; unwraps as many recipients as it takes to know.
    fn has(
        &mut self,
        at: usize,
        unwrap: &mut dyn FnMut(&Recipient) -> Option<Result<SecretVec, E>>,
    ) -> bool {
        while self.found.len() <= at {
            let Some(recipient) = self.waiting.next() else { return false };
            let Some(unwrapped) = unwrap(recipient) else { continue };
            let data_key = unwrapped
                .and_then(|payload| DataKey::from_payload(self.layer, &payload).map_err(E::from));
            match data_key {
                Ok(data_key) => self.found.push((recipient, data_key)),
                Err(error) => self.failed = self.failed.take().or(Some(error)),
            }
        }
        true
    }

    fn key(&self, at: usize) -> Option<&DataKey> {
        self.found.get(at).map(|(_, data_key)| data_key)
    }

    fn take(mut self, at: usize) -> Option<(Recipient, DataKey)> {
        let at = (at < self.found.len()).then_some(at)?;
        let (recipient, data_key) = self.found.swap_remove(at);
        Some((recipient.clone(), data_key))
    }

    /// The error for a layer without a data key; `None` where it has one.
    fn why_none(self) -> Option<E> {
        if !self.found.is_empty() {
            return None;
        }
        Some(self.failed.unwrap_or_else(|| {
            let of_layer = |one: &&Recipient| one.layer() == self.layer;
            let of_layer = self.header.recipients().iter().filter(of_layer);
            let ids: Vec<&str> = of_layer.map(|one| one.key_id().as_str()).collect();
            E::from(Error::NoKey { wrapped_with: ids.join(", ") })
        }))
    }
}

/// Unwraps a recipient with the first of the keys that can, or gives a failure.
pub(crate) fn unwrap_with(
    keys: &[UnwrappingKey],
    recipient: &Recipient,
) -> Option<Result<SecretVec, Error>> {
    keys.iter()
        .filter(|key| recipient.is_for(key))
        .map(|key| recipient.unwrap_with(key))
        .reduce(Result::or)
}
