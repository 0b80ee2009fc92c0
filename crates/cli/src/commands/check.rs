//! `--check`: the sealed document is opened again before it gets its name.

use std::io;
use std::time::Instant;

use strongroom::Error;
use strongroom::document::{Context, Header, OpenOptions, ReadAt, Totals, WriteAt};
use strongroom_keys::resource::DocumentError;
use zeroize::Zeroizing;

use super::keys::{Keys, open_failure};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::NewFile;
use crate::report::Check;
use crate::tagged::Source;
use crate::workers::Workers;

/// Opens `sealed`, whose text `sealing` describes, with another backend than it was sealed with, where
/// there is one, and compares what comes out with `input`. An input that cannot be read twice is
/// authenticated only. `header` is the new file of a detached header.
///
/// # Errors
///
/// [`Failure::Check`] when they differ or the document does not open.
pub(super) fn check(
    sealed: &NewFile,
    header: Option<&NewFile>,
    sealing: &Totals,
    input: &Input,
    keys: &Keys,
    workers: &Workers,
    context: &Context,
) -> Result<Check, Failure> {
    let started = Instant::now();
    let backend = workers.other_backend();
    let differs = || Failure::Check { name: input.name().to_owned(), backend: backend.name() };
    let failed = |error| match error {
        DocumentError::Document(Error::Authentication | Error::Format { .. }) => differs(),
        DocumentError::Document(Error::Io { ref source, .. }) if is_difference(source) => differs(),
        error => open_failure(input.name(), error),
    };

    let name = sealed.name();
    let source = Source { file: sealed.file(), name: &name };
    let holder = header.unwrap_or(sealed);
    let parsed = Header::read_at(&Source { file: holder.file(), name: &holder.name() });
    let parsed = parsed.map_err(|error| failed(error.into()))?;
    let options = OpenOptions { context: context.clone(), backend, ..OpenOptions::default() };
    let opener = keys.unlock(&parsed, &name, &options).map_err(|failure| match failure {
        Failure::Document { .. } => differs(),
        failure => failure,
    })?;
    let opener = if header.is_some() { opener.detached() } else { opener };

    let compare = Compare { input: Source { file: input.file(), name: input.name() } };
    let grant = keys.grant(opener.lease());
    let (totals, _) = workers
        .run("checking", input.length(), grant.as_ref(), |run| match input.length() {
            Some(_) => opener.open_file(&source, &compare, run),
            None => opener.verify_file(&source, run),
        })
        .map_err(failed)?;
    if totals != *sealing {
        return Err(differs());
    }
    Ok(Check {
        backend: backend.name(),
        compared: input.length().is_some(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Takes opened bytes and holds them against those of a file at the same offset.
pub(super) struct Compare<I> {
    pub(super) input: I,
}

/// Bytes of the input in memory at once, in each thread.
const COMPARED_AT_ONCE: usize = 64 * 1024;

/// The error of [`Compare`] where the bytes are others.
#[derive(Debug, thiserror::Error)]
#[error("the bytes differ")]
struct Differs;

/// True where `error` says that the bytes are others.
pub(super) fn is_difference(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Differs>)
}

impl<I: ReadAt> WriteAt for Compare<I> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut at = offset;
        for part in bytes.chunks(COMPARED_AT_ONCE) {
            let mut expected = Zeroizing::new(vec![0; part.len()]);
            match self.input.read_exact_at(&mut expected, at) {
                Ok(()) if **expected == *part => {}
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
                _ => return Err(io::Error::other(Differs)),
            }
            at += part.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_difference_is_one_byte_at_its_offset() {
        let text: Vec<u8> = (0_u8..=255).cycle().take(200_000).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&text).unwrap();
        let compare = Compare { input: Source { file: &file, name: "input" } };
        compare.write_all_at(&text, 0).unwrap();
        compare.write_all_at(&text[70_000..], 70_000).unwrap();
        compare.write_all_at(&[], 200_000).unwrap();

        let differs = |bytes: &[u8], offset| {
            compare.write_all_at(bytes, offset).is_err_and(|error| is_difference(&error))
        };
        for at in [0, 65_535, 65_536, 199_999] {
            let mut changed = text.clone();
            changed[at] ^= 1;
            assert!(differs(&changed, 0), "byte {at}");
        }
        assert!(differs(&text[..1000], 1));
        assert!(differs(&text, 1), "the file ends first");
        assert!(differs(b"x", 200_000));
    }
}
