//! `strongroom seal`.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use strongroom::Error;
use strongroom::document::{PlaintextLen, SealOptions, Sealer};

use super::check::check;
use super::keys::{Keys, SealWith};
use crate::args::{KindOption, PrintOptions, ResourceOption, SealArgs, VaultOption};
use crate::exec::{Checked, ShellCommand};
use crate::failure::Failure;
use crate::hint;
use crate::input::Input;
use crate::output::{Others, Output, Rules, next_header, pair};
use crate::place::Place;
use crate::platform::Patient;
use crate::preserve::Attributes;
use crate::print;
use crate::readers::Readers;
use crate::report::Report;
use crate::tagged::{self, Sink, Source};
use crate::targets::{each, sealed_name, targets};
use crate::time::since_epoch;
use crate::vaults::{Location, sealing_keys};
use crate::workers::Workers;

/// Seals what the arguments name.
///
/// # Errors
///
/// A [`Failure`]; then nothing has the output's name. Of several inputs one failure says how many of
/// them failed.
pub(super) fn run(args: SealArgs, umask: u32) -> Result<(), Failure> {
    let context = super::context(&args.context)?;
    // A command's output has no name of its own, as standard input has none.
    let inputs = if args.exec.is_some() { vec![Place::Standard] } else { args.inputs };
    let targets = targets(inputs, args.output.as_ref(), |input| Ok(sealed_name(input)))?;
    if targets.len() > 1 && args.detach_header.is_some() {
        return Err(Failure::Usage(
            "--detach-header names one file, and there are several to seal; give each a command of \
             its own"
                .to_owned(),
        ));
    }
    let workers = Workers::new(&args.run, args.print)?;
    let now = since_epoch(SystemTime::now());
    let expires_in = args.expires_in.map(|seconds| now.saturating_add(seconds));
    let expires_at = args.expires_at.or(expires_in);
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Failure::Usage(
            "--expires-at is over already, and nothing would open the document; give a later time"
                .to_owned(),
        ));
    }
    let options = SealOptions {
        expires_at,
        chunk_len: args.chunk_size.unwrap_or_default(),
        context,
        backend: workers.backend(),
        ..SealOptions::default()
    };
    let mut sealing = Sealing {
        options,
        workers,
        rules: Rules {
            existing: args.force.existing(),
            mode: 0o666 & !umask,
            is_mode_asked_for: false,
            option: "-o",
            others: Others::WaitedFor(args.vault.lock_timeout()),
        },
        header: args.detach_header.map(Place::Path),
        stream: args.stream,
        preserve: args.preserve.enabled,
        check: args.check,
        print: args.print,
        readers: Readers::new(&args.vault),
        lock_timeout: args.vault.lock_timeout(),
        recipients: Recipients {
            vault: args.vault,
            names: args.keys,
            resource: args.resource,
            kind: args.kind,
        },
        keys: None,
    };
    if args.exec.is_some() {
        // The command inherits it.
        sealing.readers.check_path("the command's input", Path::new("/dev/stdin"))?;
    }
    each(
        targets,
        args.print,
        "sealed",
        |target| &target.input,
        |target| {
            refuse_streams(&target.output, args.check)?;
            let input = match &args.exec {
                Some(line) => Input::of_command(line)?,
                None => Input::open(&target.input)?,
            };
            sealing.seal(&input, &target.output)
        },
    )
}

/// The holders of a document's keys, as the command line names them.
struct Recipients {
    vault: VaultOption,
    names: Vec<String>,
    resource: ResourceOption,
    kind: KindOption,
}

impl Recipients {
    /// Their keys: to open again, and to seal with.
    fn keys(&self, expires_at: Option<u64>) -> Result<(Keys, SealWith), Failure> {
        if let Some(id) = &self.resource.name {
            return SealWith::resource(&self.resource, id.clone(), self.kind, expires_at);
        }
        let location = Location::find(self.vault.clone())?;
        let notice = |text: &str| print::notice("note", text);
        let (vault, keys) = sealing_keys(&location, &self.names, notice)?;
        Ok((Keys::Vault(vault), SealWith::Vault(keys)))
    }
}

/// The options of a run, shared by all its files.
struct Sealing {
    options: SealOptions,
    workers: Workers,
    rules: Rules,
    /// The file of a detached header.
    header: Option<Place>,
    stream: bool,
    preserve: bool,
    check: bool,
    print: PrintOptions,
    readers: Readers,
    /// The longest wait for another process that names files.
    lock_timeout: Option<Duration>,
    recipients: Recipients,
    /// Found for the first file, after a look at it and at its output.
    keys: Option<(Keys, SealWith)>,
}

impl Sealing {
    fn seal(&mut self, input: &Input, place: &Place) -> Result<(), Failure> {
        self.readers.next_document();
        self.readers.add("the input", input)?;
        let attributes = self.preserve.then(|| Attributes::of(input)).transpose()?;
        let rules = attributes.map_or(self.rules, |kept| kept.permissions(self.rules));
        let output = Output::create(place, &self.readers, rules)?;
        let attributes = attributes.map(|kept| kept.check(&output)).transpose()?;
        let header_rules = Rules { option: "--detach-header", ..rules };
        let create = |place| Output::create(place, &self.readers, header_rules);
        let header = self.header.as_ref().map(create).transpose()?;
        refuse_same(&output, header.as_ref())?;
        if let Some(Output::File(header)) = &header {
            next_header::check_name(header)?;
        }
        if self.check && matches!(output, Output::Stream { .. }) {
            return Err(no_check(place));
        }
        // Said once of several documents.
        let is_first = self.keys.is_none();
        let (keys, seal_with) = match &mut self.keys {
            Some(keys) => keys,
            none => none.insert(self.recipients.keys(self.options.expires_at)?),
        };
        let (expires_at, workers) = (seal_with.expires_at(&self.options), &self.workers);
        let options = &SealOptions { expires_at, ..self.options.clone() };
        let (key_ids, customer_key_id) = seal_with.ids();
        let copy_again = (is_first && seal_with.made_key()).then(hint::backup);

        let failed = |error| {
            let of_command = input.command().and_then(ShellCommand::failure);
            of_command.unwrap_or_else(|| match tagged::failure(input.name(), error) {
                Failure::Document { name, source: source @ Error::InputChanged { .. } } => {
                    Failure::ChangedLength { name, source }
                }
                failure => failure,
            })
        };
        let length = match input.length() {
            Some(length) if !self.stream => PlaintextLen::Known(length),
            _ => PlaintextLen::Stream,
        };
        let mut sealer = Sealer::new(length, seal_with.layers(), options).map_err(failed)?;
        if let Some(header) = &header {
            let (file, name) = header.parts();
            let bytes;
            (bytes, sealer) = sealer.detached();
            let written = Patient(file).write_all(&bytes);
            written.map_err(|source| Failure::write(name, source))?;
        }

        let grant = seal_with.grant();
        let (file, name) = output.parts();
        let sink = Sink { file, name: &name };
        let source = Source { file: input.file(), name: input.name() };
        if let Some(command) = input.command() {
            command.start()?;
        }
        let mut reading = Checked { input: source, command: input.command() };
        let (totals, elapsed) = workers
            .run("sealing", input.length(), grant.as_ref(), |run| match (&output, length) {
                (Output::File(_), PlaintextLen::Known(_)) => sealer.seal_file(&source, &sink, run),
                _ => sealer.seal_stream(&mut reading, &mut { sink }, run),
            })
            .map_err(failed)?;
        if !self.stream {
            input.check_unchanged()?;
        }
        let check = match (&output, &header) {
            (Output::File(file), None) if self.check => {
                Some(check(file, None, &totals, input, keys, workers, &options.context)?)
            }
            (Output::File(file), Some(Output::File(header))) if self.check => {
                Some(check(file, Some(header), &totals, input, keys, workers, &options.context)?)
            }
            _ => None,
        };
        if totals.plaintext_len == 0 && input.length().is_none() {
            let text = format!("{} gave nothing: the document is empty", input.name());
            print::notice("warning", &text);
        }
        if let Some(grant) = grant {
            grant.renew()?;
        }
        if let Some(attributes) = attributes {
            attributes.set_times(&output)?;
        }
        let report = Report {
            output: Some(place.output_name()),
            header: self.header.as_ref().map(Place::output_name),
            sync_seconds: publish(output, header, self.lock_timeout)?,
            keys: key_ids,
            customer_key: customer_key_id,
            expires_at,
            check,
            copy_again,
            ..Report::new("sealed", input, totals.plaintext_len, elapsed, workers)
        };
        report.print(place.report_channel(), self.print)
    }
}

/// Gives the files their names, and waits at most as long as `most` says for another process that does so; returns
/// how long it took.
fn publish(
    output: Output,
    header: Option<Output>,
    most: Option<Duration>,
) -> Result<Option<f64>, Failure> {
    let started = Instant::now();
    let published = match (output, header) {
        (Output::File(document), Some(Output::File(header))) => {
            pair::publish(document, header, most)?;
            true
        }
        (output, header) => {
            if let Some(header) = header {
                header.publish()?;
            }
            output.publish()?.is_some()
        }
    };
    Ok(published.then(|| started.elapsed().as_secs_f64()))
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
    if check && *place == Place::Standard {
        return Err(no_check(place));
    }
    if place.is_terminal() {
        return Err(Failure::Usage(
            "a sealed document is not text for a terminal; name a file with -o, or pipe it on"
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
