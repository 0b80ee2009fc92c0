//! `strongroom verify`.

use strongroom::document::OpenOptions;

use super::unlock::{known_len, mended, read_header, unlock};
use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::input::Input;
use crate::print::{self, Channel};
use crate::report::Report;
use crate::tagged::{self, Source};
use crate::vaults::Location;
use crate::workers::Workers;

/// Authenticates what the arguments name.
///
/// # Errors
///
/// A [`Failure`] when anything in the document is not as it was sealed.
pub(super) fn run(args: VerifyArgs) -> Result<(), Failure> {
    let context = super::context(&args.context)?;
    let input = Input::open(&args.input)?;
    let header = read_header(&input)?;
    let workers = Workers::new(&args.run)?;
    let vault = Location::find(args.vault.directory)?.open()?;
    let options = OpenOptions { context, backend: workers.backend(), ..OpenOptions::default() };
    let opener = unlock(&header, &vault, input.name(), &options)?;

    let mut source = Source { file: input.file(), name: input.name() };
    let (totals, elapsed) = workers
        .run("verifying", known_len(&header), |run| match input.length() {
            Some(_) => opener.verify_file(&source, run),
            None => opener.verify_stream(&mut source, run),
        })
        .map_err(|error| tagged::failure(input.name(), error))?;
    let mended = mended(&header);
    if let Some(mended) = &mended {
        print::notice("warning", &format!("{}: {mended}", input.name()));
    }
    let report = Report {
        mended,
        ..Report::new("verified", &input, totals.plaintext_len, elapsed, &workers)
    };
    report.print(Channel::Output, args.json.enabled)
}
