//! From a document's header and a vault to something that opens the document.

use strongroom::Error;
use strongroom::document::{
    DataKey, Header, OpenOptions, Opener, PlaintextLen, Recipient, SlotState,
};
use strongroom::secret::SecretVec;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::LocalVaultError;
use strongroom_local_vault::{LocalKeyId, VaultId};

use crate::failure::Failure;

/// The length of the plaintext in bytes, where the header says it.
pub(super) fn known_len(header: &Header) -> Option<u64> {
    match header.plaintext_len() {
        PlaintextLen::Known(bytes) => Some(bytes),
        PlaintextLen::Stream => None,
    }
}

/// Describes the damage to one copy of the recipients that the header's other copy mends.
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

/// Unlocks the document `name` with the keys of `vault`. The header's key ids are not authenticated: only
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
    header.unlock_by(options, |recipient| unwrap(recipient, vault)).map_err(|refusal| {
        match (refusal, unknown_algorithm(header, vault)) {
            (Refusal::Engine(Error::NoKey { .. }), Some((key, algorithm))) => {
                Failure::UnknownAlgorithm { name: name.to_owned(), key, algorithm }
            }
            (refusal, _) => refusal.failure(vault, name),
        }
    })
}

/// The key of `vault` that `header` names under an algorithm that this version does not know, in words.
fn unknown_algorithm(header: &Header, vault: &LocalVault) -> Option<(String, u8)> {
    let own = |recipient: &&Recipient| own_id(recipient, vault.id()).is_some();
    let unknown = |recipient: &&Recipient| recipient.algorithm().is_none();
    let recipient = header.recipients().iter().filter(own).find(unknown)?;
    Some((recipient.key_id().as_str().to_owned(), recipient.algorithm_code()))
}

/// The reason why a recipient's key does not open a document.
pub(super) enum Refusal {
    Engine(Error),
    Vault(LocalVaultError),
}

impl Refusal {
    /// As a failure of the document `name` with the keys of `vault`.
    pub(super) fn failure(self, vault: &LocalVault, name: &str) -> Failure {
        match self {
            Self::Vault(error) => error.into(),
            Self::Engine(Error::NoKey { wrapped_with }) => Failure::NoKey {
                name: name.to_owned(),
                vault: vault.path().to_owned(),
                id: vault.id().to_string(),
                wrapped_with,
            },
            Self::Engine(source) => Failure::Document { name: name.to_owned(), source },
        }
    }

    /// The same where the document was to be rewrapped.
    pub(super) fn failure_to_rewrap(self, vault: &LocalVault, name: &str) -> Failure {
        match self {
            Self::Engine(Error::Authentication) => Failure::NotUnlocked { name: name.to_owned() },
            other => other.failure(vault, name),
        }
    }

    /// As a failure to unwrap what was wrapped for the recipient `new` of the document `name`.
    pub(super) fn failure_to_prove(
        self,
        new: &Recipient,
        vault: &LocalVault,
        name: &str,
    ) -> Failure {
        match self {
            Self::Engine(Error::Authentication) => {
                let key = new.key_id().as_str().to_owned();
                Failure::Unproved { name: name.to_owned(), key }
            }
            other => other.failure(vault, name),
        }
    }
}

impl From<LocalVaultError> for Refusal {
    fn from(error: LocalVaultError) -> Self {
        match error {
            // A wrapped key that was changed, as anything else that was changed.
            LocalVaultError::Key { source: source @ Error::Authentication, .. } => {
                Self::Engine(source)
            }
            error => Self::Vault(error),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Unwraps a recipient with the vault; `None` for one that is not its own.
pub(super) fn unwrap(
    recipient: &Recipient,
    vault: &LocalVault,
) -> Option<Result<SecretVec, Refusal>> {
    own_id(recipient, vault.id())?;
    let algorithm = recipient.algorithm()?;
    let (id, expected) = (recipient.key_id(), DataKey::expected(recipient.layer()));
    let unwrapped = vault.unwrap_expected(id, algorithm, recipient.wrapped(), expected);
    Some(unwrapped.map_err(Refusal::from))
}

/// The id of a recipient's key, if it is one of the vault `vault`.
pub(super) fn own_id(recipient: &Recipient, vault: &VaultId) -> Option<LocalKeyId> {
    LocalKeyId::parse(recipient.key_id()).ok().filter(|id| id.vault() == vault)
}
