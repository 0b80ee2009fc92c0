//! `strongroom seal`.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Instant, SystemTime};

use strongroom::document::{PlaintextLen, SealOptions, Sealer};

use super::check::check;
use super::keys::{Keys, SealWith};
use crate::args::{SealArgs, sealed_name};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::{Existing, Output, Rules};
use crate::place::Place;
use crate::print;
use crate::report::Report;
use crate::service::HomeLocation;
use crate::tagged::{self, Sink, Source};
use crate::time::since_epoch;
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
    let rules = Rules { existing: args.force.existing(), mode: 0o666 & !umask, option: "-o" };
    let output = Output::create(&place, &[&input], rules)?;
    let detached = args.detach_header.map(Place::Path);
    let header_rules = Rules { option: "--detach-header", ..rules };
    let create = |place| Output::create(place, &[&input], header_rules);
    let header = detached.as_ref().map(create).transpose()?;
    refuse_same(&output, header.as_ref())?;
    if args.check && matches!(output, Output::Stream { .. }) {
        return Err(no_check(&place));
    }
    let workers = Workers::new(&args.run, args.print)?;
    let expires_at =
        args.expires_in.map(|seconds| since_epoch(SystemTime::now()).saturating_add(seconds));
    let (keys, seal_with) = if let Some(id) = args.resource.name {
        let location = HomeLocation::find(args.resource.home)?;
        SealWith::resource(&location, id, args.kind, expires_at)?
    } else {
        let location = Location::find(args.vault)?;
        let notice = |text: &str| print::notice("note", text);
        let (vault, key) = sealing_key(&location, args.key.as_deref(), notice)?;
        (Keys::Vault(vault), SealWith::Vault([key]))
    };
    let (key_id, customer_key_id) = seal_with.ids();

    let options = SealOptions {
        expires_at,
        chunk_len: args.chunk_size.unwrap_or_default(),
        context,
        backend: workers.backend(),
        ..SealOptions::default()
    };
    let failed = |error| tagged::failure(input.name(), error);
    let length = match input.length() {
        Some(length) if !args.stream => PlaintextLen::Known(length),
        _ => PlaintextLen::Stream,
    };
    let mut sealer = Sealer::new(length, seal_with.layers(), &options).map_err(failed)?;
    if let Some(header) = &header {
        let (mut file, name) = header.parts();
        file.write_all(sealer.header()).map_err(|source| Failure::write(name, source))?;
        sealer = sealer.detached();
    }

    let (file, name) = output.parts();
    let sink = Sink { file, name: &name };
    let source = Source { file: input.file(), name: input.name() };
    let (totals, elapsed) = workers
        .run("sealing", input.length(), |run| match (&output, length) {
            (Output::File(_), PlaintextLen::Known(_)) => sealer.seal_file(&source, &sink, run),
            _ => sealer.seal_stream(&mut { source }, &mut { sink }, run),
        })
        .map_err(failed)?;
    let check = match (&output, &header) {
        (Output::File(file), None) if args.check => {
            Some(check(file, None, &totals, &input, &keys, &workers, &options.context)?)
        }
        (Output::File(file), Some(Output::File(header))) if args.check => {
            Some(check(file, Some(header), &totals, &input, &keys, &workers, &options.context)?)
        }
        _ => None,
    };
    seal_with.check()?;
    let report = Report {
        output: Some(place.output_name()),
        header: detached.as_ref().map(Place::output_name),
        sync_seconds: publish(output, header, rules.existing)?,
        key: key_id,
        customer_key: customer_key_id,
        check,
        ..Report::new("sealed", &input, totals.plaintext_len, elapsed, &workers)
    };
    report.print(place.report_channel(), args.print)
}

/// Gives the header's file its name, then the document; tells how long that took.
///
/// A document without its header is lost, a header without its document is litter: it goes first, and
/// away again where the document gets no name.
fn publish(
    output: Output,
    header: Option<Output>,
    existing: Existing,
) -> Result<Option<f64>, Failure> {
    let started = Instant::now();
    let mut made = None;
    if let Some(header) = header {
        if let Output::File(file) = &header {
            made = Some(file.path().to_owned());
        }
        header.publish()?;
    }
    let published = output.publish();
    if let (Err(_), Existing::Keep, Some(path)) = (&published, existing, made) {
        // It was made a moment ago. Best effort.
        let _ = fs::remove_file(path);
    }
    Ok(published?.map(|_| started.elapsed().as_secs_f64()))
}

/// Refuses a header that would take the document's place.
fn refuse_same(output: &Output, header: Option<&Output>) -> Result<(), Failure> {
    match header {
        Some(header) if header.is_same_file(output)? => Err(Failure::Usage(format!(
            "{} is to be the header and the document at once; give --detach-header another name",
            header.parts().1
        ))),
        _ => Ok(()),
    }
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
