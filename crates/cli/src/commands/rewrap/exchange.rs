//! One recipient in the place of another, with the document's context known or without it.

use strongroom::Error;
use strongroom::document::{AnyContext, Context, ExpectedContext, Recipient, Rewrap};
use strongroom::secret::SecretVec;
use strongroom::wrap::WrappingKey;

/// A context under which recipients are exchanged.
pub(super) trait Exchange: ExpectedContext + Send + Sync {
    /// The data key of `old` wrapped for `key`.
    ///
    /// # Errors
    ///
    /// Those of the engine.
    fn wrap(rewrap: &Rewrap<Self>, old: &Recipient, key: &WrappingKey) -> Result<Recipient, Error>
    where
        Self: Sized;

    /// Takes in `new` in the place of `old`, with what its holder unwrapped. They may be the same one.
    ///
    /// # Errors
    ///
    /// Those of the engine.
    fn take_in(
        rewrap: &mut Rewrap<Self>,
        old: &Recipient,
        new: &Recipient,
        unwrapped: &SecretVec,
    ) -> Result<(), Error>
    where
        Self: Sized;
}

impl Exchange for Context {
    fn wrap(rewrap: &Rewrap<Self>, old: &Recipient, key: &WrappingKey) -> Result<Recipient, Error> {
        rewrap.wrap(old.layer(), key)
    }

    fn take_in(
        rewrap: &mut Rewrap<Self>,
        old: &Recipient,
        new: &Recipient,
        unwrapped: &SecretVec,
    ) -> Result<(), Error> {
        let name = |one: &Recipient| (one.algorithm_code(), one.key_id().clone());
        let stays = name(old) == name(new);
        rewrap.prove(new, unwrapped)?;
        if !stays {
            rewrap.remove(old)?;
        }
        Ok(())
    }
}

impl Exchange for AnyContext {
    fn wrap(rewrap: &Rewrap<Self>, old: &Recipient, key: &WrappingKey) -> Result<Recipient, Error> {
        rewrap.wrap_version(old, key)
    }

    fn take_in(
        rewrap: &mut Rewrap<Self>,
        old: &Recipient,
        new: &Recipient,
        unwrapped: &SecretVec,
    ) -> Result<(), Error> {
        // Another version of the same key may have made way for the same new one a moment ago, and
        // that one took the place of `old`.
        if rewrap.recipients().contains(old) {
            rewrap.exchange(old, new, unwrapped)
        } else {
            Ok(())
        }
    }
}
