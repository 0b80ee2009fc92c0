//! `strongroom seal`.

use std::io::{self, IsTerminal as _};

use strongroom::document::{PlaintextLen, SealOptions, Sealer};

use super::check::check;
use crate::args::{SealArgs, sealed_name};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;
use crate::place::Place;
use crate::print;
use crate::report::Report;
use crate::tagged::{self, Sink, Source};
use crate::vaults::{Location, sealing_key};
use crate::workers::Workers;

/// Seals what the arguments name.
///
/// # Errors
///
/// A [`Failure`]; then nothing has the output's name.
pub(super) fn run(args: SealArgs, umask: u32) -> Result<(), Failure> {
    let context = super::context(&args.context)?;
    let place = args.output.unwrap_or_else(|| sealed_name(&args.input));
    refuse_streams(&place, args.check)?;
    let input = Input::open(&args.input)?;
    let output = Output::create(&place, &input, args.force.existing(), 0o666 & !umask)?;
    if args.check && matches!(output, Output::Stream { .. }) {
        return Err(no_check(&place));
    }
    let workers = Workers::new(&args.run)?;
    let location = Location::find(args.vault.directory)?;
    let (vault, key) =
        sealing_key(&location, args.key.as_deref(), |text| print::notice("note", text))?;
    let key_id = key.id().as_str().to_owned();

    let options = SealOptions {
        chunk_len: args.chunk_size.unwrap_or_default(),
        context,
        backend: workers.backend(),
        ..SealOptions::default()
    };
    let failed = |error| tagged::failure(input.name(), error);
    let length = input.length().map_or(PlaintextLen::Stream, PlaintextLen::Known);
    let sealer = Sealer::new(length, &[key], &options).map_err(failed)?;

    let (file, name) = output.parts();
    let sink = Sink { file, name: &name };
    let source = Source { file: input.file(), name: input.name() };
    let (totals, elapsed) = workers
        .run("sealing", input.length(), |run| match (&output, input.length()) {
            (Output::File(_), Some(_)) => sealer.seal_file(&source, &sink, run),
            _ => sealer.seal_stream(&mut { source }, &mut { sink }, run),
        })
        .map_err(failed)?;
    let check = match &output {
        Output::File(file) if args.check => {
            Some(check(file, &input, &vault, &workers, &options.context)?)
        }
        _ => None,
    };
    let report = Report {
        output: Some(place.output_name()),
        sync_seconds: output.publish()?.map(|taken| taken.as_secs_f64()),
        key: Some(key_id),
        check,
        ..Report::new("sealed", &input, totals.plaintext_len, elapsed, &workers)
    };
    report.print(place.report_channel(), args.json.enabled)
}

/// Refuses what the command line alone shows to be impossible or a mishap.
fn refuse_streams(place: &Place, check: bool) -> Result<(), Failure> {
    if *place != Place::Standard {
        return Ok(());
    }
    if check {
        return Err(no_check(place));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "a sealed document is no text for a terminal; name a file with -o, or pipe it on"
                .to_owned(),
        ));
    }
    Ok(())
}

fn no_check(place: &Place) -> Failure {
    Failure::Usage(format!(
        "--check reads the output again, and {} cannot be read; name a file with -o",
        place.output_name()
    ))
}
