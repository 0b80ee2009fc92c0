//! `--check`: the sealed document is opened again before it gets its name.

use std::fs::File;
use std::io;
use std::time::Instant;

use strongroom::Error;
use strongroom::document::{Context, Header, OpenOptions, ReadAt as _, WriteAt};
use strongroom_keys::LocalVault;

use super::unlock::unlock;
use crate::failure::Failure;
use crate::input::Input;
use crate::output::NewFile;
use crate::report::Check;
use crate::tagged::{self, Source};
use crate::workers::Workers;

/// Opens `sealed` with another backend than it was sealed with, where there is one, and compares what
/// comes out with `input`. An input that cannot be read twice is authenticated only.
///
/// # Errors
///
/// [`Failure::Check`] when they differ or the document does not open.
pub(super) fn check(
    sealed: &NewFile,
    input: &Input,
    vault: &LocalVault,
    workers: &Workers,
    context: &Context,
) -> Result<Check, Failure> {
    let started = Instant::now();
    let backend = workers.other_backend();
    let differs = || Failure::Check { name: input.name().to_owned(), backend: backend.name() };
    let failed = |error| match error {
        Error::Authentication | Error::Format { .. } => differs(),
        Error::Io { ref source, .. } if is_difference(source) => differs(),
        error => tagged::failure(input.name(), error),
    };

    let name = sealed.name();
    let source = Source { file: sealed.file(), name: &name };
    let header = Header::read_at(&source).map_err(failed)?;
    let options = OpenOptions { context: context.clone(), now: None, backend };
    let opener = unlock(&header, vault, &name, &options)?;

    let (totals, _) = workers
        .run("checking", input.length(), |run| match input.length() {
            Some(_) => opener.open_file(&source, &Compare { file: input.file() }, run),
            None => opener.verify_file(&source, run),
        })
        .map_err(failed)?;
    if input.length().is_some_and(|length| length != totals.plaintext_len) {
        return Err(differs());
    }
    Ok(Check {
        backend: backend.name(),
        compared: input.length().is_some(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Takes opened bytes and holds them against those of a file at the same offset.
struct Compare<'a> {
    file: &'a File,
}

/// The error of [`Compare`] where the bytes are others.
#[derive(Debug, thiserror::Error)]
#[error("the bytes differ")]
struct Differs;

fn is_difference(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Differs>)
}

impl WriteAt for Compare<'_> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut expected = vec![0; bytes.len().min(1 << 16)];
        let mut at = offset;
        for part in bytes.chunks(1 << 16) {
            let Some(expected) = expected.get_mut(..part.len()) else { break };
            match self.file.read_exact_at(expected, at) {
                Ok(()) if expected == part => {}
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
                _ => return Err(io::Error::other(Differs)),
            }
            at += part.len() as u64;
        }
        Ok(())
    }
}
