//! `strongroom inspect`.

use std::fmt::Write as _;

use serde::Serialize;
use strongroom::document::Header;

use super::unlock::{known_len, mended, read_header};
use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::input::Input;
use crate::print::{self, Channel};
use crate::size::display_size;
use crate::time::display_time;

#[derive(Serialize)]
struct Shown {
    input: String,
    /// Always false: no key was used.
    authenticated: bool,
    format: u8,
    suite: &'static str,
    layers: u8,
    chunk_bytes: u64,
    /// Absent for a stream of unknown length.
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext_bytes: Option<u64>,
    /// Seconds since the Unix epoch; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    header_bytes: usize,
    generation: u64,
    commitment: String,
    recipients: Vec<Recipient>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mended: Option<String>,
}

#[derive(Serialize)]
struct Recipient {
    layer: u8,
    algorithm: &'static str,
    key: String,
}

/// Prints what the header of the document says.
///
/// # Errors
///
/// A [`Failure`] when there is no header to read.
pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let input = Input::open(&args.input)?;
    let header = read_header(&input)?;
    let shown = Shown::new(&input, &header);
    if args.json.enabled {
        print::json(Channel::Output, &shown)
    } else {
        print::line(Channel::Output, &shown.text())
    }
}

impl Shown {
    fn new(input: &Input, header: &Header) -> Self {
        let recipients = header.recipients().iter().map(|recipient| Recipient {
            layer: recipient.layer(),
            algorithm: recipient.algorithm().map_or("unknown", |algorithm| algorithm.name()),
            key: recipient.key_id().as_str().to_owned(),
        });
        Self {
            input: input.name().to_owned(),
            authenticated: false,
            format: 1,
            suite: "AES-256-GCM, HKDF-SHA-256",
            layers: header.layers(),
            chunk_bytes: header.chunk_len().bytes(),
            plaintext_bytes: known_len(header),
            expires_at: header.expires_at(),
            header_bytes: header.len(),
            generation: header.generation(),
            commitment: hex(header.commitment()),
            recipients: recipients.collect(),
            mended: mended(header),
        }
    }

    fn text(&self) -> String {
        let plaintext = match self.plaintext_bytes {
            Some(bytes) => format!("{bytes} bytes"),
            None => "of unknown length: sealed from a stream".to_owned(),
        };
        let expires = self.expires_at.map_or_else(|| "never".to_owned(), display_time);
        let mut text = format!(
            "{}: a sealed document, format version {}\n\
             What follows is not authenticated: anyone can write a header. verify authenticates.\n\
             suite       {}\n\
             layers      {}\n\
             plaintext   {plaintext}\n\
             chunks      {}\n\
             expires     {expires}\n\
             header      {} bytes, generation {}\n\
             commitment  {}",
            self.input,
            self.format,
            self.suite,
            self.layers,
            display_size(self.chunk_bytes),
            self.header_bytes,
            self.generation,
            self.commitment,
        );
        // Writing to a string cannot fail.
        for Recipient { layer, algorithm, key } in &self.recipients {
            let _ = write!(text, "\nsealed for  layer {layer}, {algorithm}, {key}");
        }
        if let Some(mended) = &self.mended {
            let _ = write!(text, "\nwarning     {mended}");
        }
        text
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
