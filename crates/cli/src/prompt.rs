//! Passphrases that are typed at the terminal.

use std::fs::File;
use std::io::{self, IsTerminal as _};

use strongroom::secret::SecretVec;

use crate::failure::Failure;
use crate::platform;

/// Asks for a passphrase and does not show it; `None` where nobody sits at a terminal.
///
/// # Errors
///
/// [`Failure::Read`] when the terminal cannot be read, [`Failure::Usage`] when nothing was typed.
pub(crate) fn passphrase(question: &str) -> Result<Option<SecretVec>, Failure> {
    // Standard error says whether somebody is there to read the question.
    if !io::stderr().is_terminal() || File::open(platform::TERMINAL).is_err() {
        return Ok(None);
    }
    let typed = platform::ask_unseen(&format!("{question}: "))
        .map_err(|source| Failure::read("the terminal", source))?;
    if typed.is_empty() {
        return Err(Failure::Usage("no passphrase was typed; run the command again".to_owned()));
    }
    Ok(Some(SecretVec::from(typed.to_vec())))
}

/// Asks for a new passphrase, twice.
///
/// # Errors
///
/// Those of [`passphrase`], and [`Failure::Usage`] where the two differ or nobody sits at a terminal;
/// `option` names a file instead.
pub(crate) fn new_passphrase(option: &str) -> Result<SecretVec, Failure> {
    let no_terminal = || {
        Failure::Usage(format!(
            "there is no terminal to ask for the new passphrase at; name a file that holds it with \
             {option}"
        ))
    };
    let first = passphrase("new passphrase")?.ok_or_else(no_terminal)?;
    let second = passphrase("the same again")?.ok_or_else(no_terminal)?;
    if first.expose() != second.expose() {
        return Err(Failure::Usage(
            "the two passphrases differ, and nothing was changed; run the command again".to_owned(),
        ));
    }
    Ok(first)
}
