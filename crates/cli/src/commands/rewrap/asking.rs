//! Questions to the vault about the recipients of many documents: one request a key.

use std::collections::BTreeMap;

use strongroom::document::{DataKey, Recipient};
use strongroom::secret::SecretVec;
use strongroom_local_vault::LocalVault;

use super::super::unlock::{Refusal, unwrap};

/// A recipient, and what the vault made of it.
pub(super) type Answer = (Recipient, Result<SecretVec, Refusal>);

/// Has `vault` unwrap recipients of its own, each with the number of its document. The answers are a list
/// a document, as many as there are `documents`.
pub(super) fn ask(
    vault: &LocalVault,
    documents: usize,
    recipients: Vec<(usize, Recipient)>,
) -> Vec<Vec<Answer>> {
    let mut answers: Vec<Vec<Answer>> = (0..documents).map(|_| Vec::new()).collect();
    let mut by_key: BTreeMap<_, Vec<(usize, Recipient)>> = BTreeMap::new();
    for (document, recipient) in recipients {
        // One of an algorithm that is not known is nobody's to unwrap.
        let Some(algorithm) = recipient.algorithm() else { continue };
        let key = (recipient.key_id().clone(), algorithm);
        by_key.entry(key).or_default().push((document, recipient));
    }
    for ((id, algorithm), recipients) in by_key {
        let wrapped: Vec<_> = recipients
            .iter()
            .map(|(_, one)| (one.wrapped(), DataKey::expected(one.layer())))
            .collect();
        let unwrapped = match vault.unwrap_batch_expected(&id, algorithm, &wrapped) {
            Ok(secrets) => secrets.into_iter().map(|one| one.map_err(Refusal::from)).collect(),
            // The key cannot be used: each document is told why.
            Err(_) => {
                recipients.iter().filter_map(|(_, one)| unwrap(one, vault)).collect::<Vec<_>>()
            }
        };
        for ((document, recipient), answer) in recipients.into_iter().zip(unwrapped) {
            if let Some(answers) = answers.get_mut(document) {
                answers.push((recipient, answer));
            }
        }
    }
    answers
}
