//! `strongroom verify`.

use strongroom::document::OpenOptions;

use super::keys::KeyFinder;
use super::sealed::Sealed;
use super::unlock::{known_len, mended};
use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::print::Channel;
use crate::readers::Readers;
use crate::report::Report;
use crate::tagged::Source;
use crate::targets::each;
use crate::workers::Workers;

/// Authenticates what the arguments name.
///
/// # Errors
///
/// A [`Failure`] when anything in a document is not as it was sealed.
pub(super) fn run(args: VerifyArgs) -> Result<(), Failure> {
    let context = super::context(&args.context)?;
    if args.inputs.len() > 1 {
        args.header.refuse_several()?;
    }
    let workers = Workers::new(&args.run, args.print)?;
    let options = OpenOptions { context, backend: workers.backend(), ..OpenOptions::default() };
    let mut readers = Readers::new(&args.vault);
    let mut keys = KeyFinder::new(args.vault, args.resource);
    each(
        args.inputs,
        args.print,
        "verified",
        |place| place,
        |place| {
            let mut sealed = Sealed::open(&place, &args.header, &mut readers)?;
            keys.choose(&mut sealed, &options);
            sealed.say_where_header_is(&args.header);
            let report = verify(&sealed, &mut keys, &options, &workers)?;
            report.print(Channel::Output, args.print)
        },
    )
}

fn verify(
    sealed: &Sealed,
    keys: &mut KeyFinder,
    options: &OpenOptions,
    workers: &Workers,
) -> Result<Report, Failure> {
    let input = sealed.input();
    let keys = keys.find(sealed.header(), input.name())?;
    let opener = sealed.unlock(keys, options)?;
    let source = Source { file: input.file(), name: input.name() };
    // Nothing is given out, so no lease is kept.
    let (totals, elapsed) = workers
        .run("verifying", known_len(sealed.header()), None, |run| match input.length() {
            Some(_) => opener.verify_file(&source, run),
            None => opener.verify_stream(&mut sealed.stream()?, run),
        })
        .map_err(|error| sealed.failure(error, keys, options))?;
    let mended = mended(sealed.header());
    sealed.warn_of_damage();
    Ok(Report { mended, ..Report::new("verified", input, totals.plaintext_len, elapsed, workers) })
}
