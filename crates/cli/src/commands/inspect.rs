//! `strongroom inspect`.

use std::fmt::Write as _;

use serde::Serialize;
use strongroom::Error;
use strongroom::document::{Header, SlotState};

use super::sealed::{Foreign, Sealed};
use super::unlock::{known_len, mended};
use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::print::{self, Channel};
use crate::readers::Readers;
use crate::size::display_size;
use crate::time::display_time;

/// All that a header says, and what its length says of the body.
#[derive(Serialize)]
struct Shown {
    input: String,
    /// The header's own file.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// Always false: no key was used.
    authenticated: bool,
    format: u8,
    suite: &'static str,
    suite_code: u8,
    layers: u8,
    chunk_bytes: u64,
    /// `null` for a stream of unknown length.
    plaintext_bytes: Option<u64>,
    /// Seconds since the Unix epoch; `null` for never.
    expires_at: Option<u64>,
    expires_at_rfc3339: Option<String>,
    salt: String,
    context_tag: String,
    commitment: String,
    header_bytes: usize,
    generation: u64,
    slot_bytes: usize,
    /// `current`, `stale` or `damaged`.
    slots: Vec<&'static str>,
    recipients: Vec<Recipient>,
    /// `null` where it cannot be known without reading it.
    body: Option<Body>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mended: Option<String>,
}

#[derive(Serialize)]
struct Recipient {
    layer: u8,
    /// Its name, or its number where this version does not know it.
    algorithm: String,
    algorithm_code: u8,
    key: String,
    wrapped_bytes: usize,
}

/// Lengths of a body that was not read.
#[derive(Serialize)]
struct Body {
    /// Length of the chunks' records, without what stands before them.
    bytes: u64,
    /// Length of the plaintext that such a body holds; `null` where none has that length.
    plaintext_bytes: Option<u64>,
    /// The reason why no plaintext of this header has that length.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

/// Prints what the header of the document says.
///
/// # Errors
///
/// A [`Failure`] when there is no header to read.
pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let sealed = Sealed::open(&args.input, &args.header, &mut Readers::none())?;
    sealed.say_where_header_is(&args.header);
    let shown = Shown::new(&sealed);
    if args.json.enabled {
        print::json(Channel::Output, &shown)
    } else {
        print::text(Channel::Output, &shown.text())
    }
}

impl Shown {
    fn new(sealed: &Sealed) -> Self {
        let header = sealed.header();
        let recipients = header.recipients().iter().map(|recipient| Recipient {
            layer: recipient.layer(),
            algorithm: recipient.algorithm().map_or_else(
                || format!("number {}", recipient.algorithm_code()),
                |algorithm| algorithm.name().to_owned(),
            ),
            algorithm_code: recipient.algorithm_code(),
            key: recipient.key_id().as_str().to_owned(),
            wrapped_bytes: recipient.wrapped().len(),
        });
        let slots = header.slots().iter().map(|state| match state {
            SlotState::Current => "current",
            SlotState::Stale => "stale",
            SlotState::Damaged => "damaged",
        });
        Self {
            input: sealed.input().name().to_owned(),
            header: sealed.is_detached().then(|| sealed.header_input().name().to_owned()),
            authenticated: false,
            format: header.prologue()[8],
            suite: "AES-256-GCM, HKDF-SHA-256", // the only one there is
            suite_code: header.prologue()[9],
            layers: header.layers(),
            chunk_bytes: header.chunk_len().bytes(),
            plaintext_bytes: known_len(header),
            expires_at: header.expires_at(),
            expires_at_rfc3339: header.expires_at().map(display_time),
            salt: hex(header.salt()),
            context_tag: hex(header.context_tag()),
            commitment: hex(header.commitment()),
            header_bytes: header.len(),
            generation: header.generation(),
            slot_bytes: header.slot_len(),
            slots: slots.collect(),
            recipients: recipients.collect(),
            body: Body::new(sealed, header),
            mended: mended(header),
        }
    }

    fn text(&self) -> String {
        let plaintext = match self.plaintext_bytes {
            Some(bytes) => format!("{bytes} bytes"),
            None => "of unknown length: sealed from a stream".to_owned(),
        };
        let expires = self.expires_at_rfc3339.as_deref().unwrap_or("never");
        let apart = match &self.header {
            Some(header) => format!(", in {}", print::name(header)),
            None => String::new(),
        };
        let mut text = format!(
            "{}: a sealed document, format version {}\n\
             What follows is not authenticated: anyone can write a header. verify authenticates.\n\
             suite       {}\n\
             layers      {}\n\
             plaintext   {plaintext}\n\
             chunks      {}\n\
             expires     {expires}\n\
             header      {} bytes, generation {}{apart}\n\
             slots       {} of {} bytes: {}\n\
             commitment  {}",
            print::name(&self.input),
            self.format,
            self.suite,
            self.layers,
            display_size(self.chunk_bytes),
            self.header_bytes,
            self.generation,
            self.slots.len(),
            self.slot_bytes,
            self.slots.join(", "),
            self.commitment,
        );
        // Writing to a string cannot fail.
        for Recipient { layer, algorithm, key, .. } in &self.recipients {
            let _ = write!(text, "\nsealed for  layer {layer}, {algorithm}, {}", print::name(key));
        }
        if let Some(body) = &self.body {
            let _ = write!(text, "\nbody        {}", body.text());
        }
        if let Some(mended) = &self.mended {
            let _ = write!(text, "\nwarning     {mended}");
        }
        text
    }
}

impl Body {
    fn new(sealed: &Sealed, header: &Header) -> Option<Self> {
        let length = sealed.input().length()?;
        let (before, layout) = if sealed.is_detached() {
            (header.prologue().len(), header.detached_layout(length))
        } else {
            (header.len(), header.layout(length))
        };
        let foreign = sealed.foreign().map(|foreign| match foreign {
            Foreign::OtherDocument => "it does not belong to this header",
            Foreign::NoDocument { reason } => reason,
        });
        let (plaintext_bytes, problem) = match layout {
            _ if foreign.is_some() => (None, foreign),
            Ok(layout) => (Some(layout.claimed_plaintext_len()), None),
            Err(_) if sealed.is_header_alone() => (None, Some("there is none: a header alone")),
            Err(_) if length < before as u64 => {
                (None, Some("it ends within the copy of its header's first 128 bytes"))
            }
            Err(Error::Format { reason, .. }) => (None, Some(reason)),
            Err(_) => (None, Some("it is longer than any document")),
        };
        let bytes = length.saturating_sub(before as u64);
        Some(Self { bytes, plaintext_bytes, problem })
    }

    fn text(&self) -> String {
        let Self { bytes, .. } = self;
        match (self.problem, self.plaintext_bytes) {
            (Some(problem), _) => format!("{bytes} bytes; {problem}"),
            (None, Some(plaintext)) => {
                format!("{bytes} bytes, as {plaintext} bytes of plaintext have")
            }
            (None, None) => format!("{bytes} bytes"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
