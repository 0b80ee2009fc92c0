//! `strongroom open`.

use strongroom::document::OpenOptions;

use super::unlock::{known_len, read_header, unlock};
use crate::args::{OpenArgs, opened_name};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;
use crate::report::Report;
use crate::tagged::{self, Sink, Source};
use crate::vaults::Location;
use crate::workers::Workers;

/// Plaintext is for its owner until the owner says otherwise.
const PLAINTEXT_MODE: u32 = 0o600;

/// Opens what the arguments name.
///
/// # Errors
///
/// A [`Failure`]; then nothing has the output's name.
pub(super) fn run(args: OpenArgs) -> Result<(), Failure> {
    let context = super::context(&args.context)?;
    let place = args.output.map_or_else(|| opened_name(&args.input), Ok)?;
    let input = Input::open(&args.input)?;
    // Before the output and the vault: a file that is no document is called just that.
    let header = read_header(&input)?;
    let output = Output::create(&place, &input, args.force.existing(), PLAINTEXT_MODE)?;
    let workers = Workers::new(&args.run)?;
    let vault = Location::find(args.vault.directory)?.open()?;
    let options = OpenOptions { context, backend: workers.backend(), ..OpenOptions::default() };
    let opener = unlock(&header, &vault, input.name(), &options)?;

    let (file, name) = output.parts();
    let sink = Sink { file, name: &name };
    let source = Source { file: input.file(), name: input.name() };
    let (totals, elapsed) = workers
        .run("opening", known_len(&header), |run| match (&output, input.length()) {
            (Output::File(_), Some(_)) => opener.open_file(&source, &sink, run),
            _ => opener.open_stream(&mut { source }, &mut { sink }, run),
        })
        .map_err(|error| tagged::failure(input.name(), error))?;
    let report = Report {
        output: Some(place.output_name()),
        sync_seconds: output.publish()?.map(|taken| taken.as_secs_f64()),
        ..Report::new("opened", &input, totals.plaintext_len, elapsed, &workers)
    };
    report.print(place.report_channel(), args.json.enabled)
}
