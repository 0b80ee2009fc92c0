//! From a document's header and a vault to something that opens the document.

use strongroom::Error;
use strongroom::document::{Header, OpenOptions, Opener, PlaintextLen, Recipient, SlotState};
use strongroom::secret::SecretVec;
use strongroom_keys::LocalVault;
use strongroom_keys::local_vault::LocalKeyId;
use strongroom_keys::local_vault::LocalVaultError;

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
    let document = |source| Failure::Document { name: name.to_owned(), source };
    header.unlock_by(options, |recipient| unwrap(recipient, vault)).map_err(|refusal| match refusal
    {
        Refusal::Vault(error) => error.into(),
        Refusal::Engine(Error::NoKey { wrapped_with }) => Failure::NoKey {
            name: name.to_owned(),
            vault: vault.path().to_owned(),
            id: vault.id().to_string(),
            wrapped_with,
        },
        Refusal::Engine(error) => document(error),
    })
}

/// Why a recipient's key does not open a document.
enum Refusal {
    Engine(Error),
    Vault(LocalVaultError),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// What the vault makes of a recipient; `None` for one that is not its own.
fn unwrap(recipient: &Recipient, vault: &LocalVault) -> Option<Result<SecretVec, Refusal>> {
    let id = LocalKeyId::parse(recipient.key_id()).ok()?;
    let algorithm = recipient.algorithm()?;
    if id.vault() != vault.id() {
        return None;
    }
    let unwrapped = vault.unwrap(recipient.key_id(), algorithm, recipient.wrapped());
    Some(unwrapped.map_err(|error| match error {
        // A wrapped key that was changed, as anything else that was changed.
        LocalVaultError::Key { source: source @ Error::Authentication, .. } => {
            Refusal::Engine(source)
        }
        error => Refusal::Vault(error),
    }))
}
