//! From a document's header and a vault to something that opens the document.

use strongroom::Error;
use strongroom::document::{
    DataKey, Header, OpenOptions, Opener, PlaintextLen, Recipient, SlotState,
};
use strongroom_keys::local_vault::LocalKeyId;
use strongroom_keys::{LocalVault, VaultError};

use crate::failure::Failure;
use crate::input::Input;
use crate::tagged::{self, Source};

/// The header of the sealed document `input`, which stands at its body then.
///
/// # Errors
///
/// [`Failure::Document`] when `input` does not begin with one; [`Failure::Read`] when it cannot be
/// read.
pub(super) fn read_header(input: &Input) -> Result<Header, Failure> {
    let mut source = Source { file: input.file(), name: input.name() };
    Header::read(&mut source).map_err(|error| tagged::failure(input.name(), error))
}

/// The length of the plaintext in bytes, where the header says it.
pub(super) fn known_len(header: &Header) -> Option<u64> {
    match header.plaintext_len() {
        PlaintextLen::Known(bytes) => Some(bytes),
        PlaintextLen::Stream => None,
    }
}

/// What the header's second copy made up for, in words.
pub(super) fn mended(header: &Header) -> Option<String> {
    let copies = ["first", "second"].iter().zip(header.slots());
    copies.into_iter().find_map(|(copy, state)| match state {
        SlotState::Current => None,
        SlotState::Stale => Some(format!(
            "the {copy} copy of the recipients in its header is out of date: a rewrap was \
             interrupted"
        )),
        SlotState::Damaged => Some(format!(
            "the {copy} copy of the recipients in its header is damaged, and the other one serves"
        )),
    })
}

/// Unlocks the document `name` with the keys of `vault`. The header's key ids are anyone's word: only
/// those of this vault are tried.
///
/// # Errors
///
/// [`Failure::NoKey`] when the vault has none of the keys; [`Failure::Vault`] when it cannot use
/// them; [`Failure::Document`] when the header is not authentic.
pub(super) fn unlock(
    header: &Header,
    vault: &LocalVault,
    name: &str,
    options: &OpenOptions,
) -> Result<Opener, Failure> {
    let mut refusal = None;
    for recipient in header.recipients() {
        let ours = LocalKeyId::parse(recipient.key_id()).is_ok_and(|id| id.vault() == vault.id());
        if !ours {
            continue;
        }
        let document = |source| Failure::Document { name: name.to_owned(), source };
        let unlocked = data_key(recipient, vault, document)
            .and_then(|key| header.unlock(&key, options).map_err(document));
        match unlocked {
            Ok(opener) => return Ok(opener),
            // Another recipient may do.
            Err(failure) => refusal = refusal.or(Some(failure)),
        }
    }
    Err(refusal.unwrap_or_else(|| {
        let ids: Vec<_> =
            header.recipients().iter().map(|recipient| recipient.key_id().as_str()).collect();
        Failure::NoKey {
            name: name.to_owned(),
            vault: vault.path().to_owned(),
            id: vault.id().to_string(),
            wrapped_with: ids.join(", "),
        }
    }))
}

fn data_key(
    recipient: &Recipient,
    vault: &LocalVault,
    document: impl Fn(Error) -> Failure,
) -> Result<DataKey, Failure> {
    let Some(algorithm) = recipient.algorithm() else {
        return Err(document(Error::Key {
            key: recipient.key_id().as_str().to_owned(),
            reason: "it wraps with an algorithm that this version does not know; use a newer one",
        }));
    };
    let payload = match vault.unwrap(recipient.key_id(), algorithm, recipient.wrapped()) {
        // A wrapped key that was changed, as anything else that was changed.
        Err(VaultError::Key { source: source @ Error::Authentication, .. }) => {
            return Err(document(source));
        }
        unwrapped => unwrapped?,
    };
    DataKey::from_payload(recipient.layer(), &payload).map_err(document)
}
