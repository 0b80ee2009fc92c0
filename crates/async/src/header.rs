//! The header, whose own bytes say how many there are.

use std::io::{self, Read};

use strongroom::Error;
use strongroom::document::Header;

use crate::pipeline::io_error;
use crate::transfer::fill;
use crate::transport::Input;

pub(crate) const READING_HEADER: &str = "reading the header";
pub(crate) const READING_SEALED: &str = "reading the sealed document";

/// Reads the header from the start of a document; the input is left at its body.
///
/// # Errors
///
/// Those of [`Header::parse`], and [`Error::Io`].
///
/// # Example
///
/// ```
/// use strongroom::document::{self, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
/// use strongroom_async::{FuturesIo, Options, open, read_header};
///
/// # futures::executor::block_on(async {
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"text", &[wrapping], &SealOptions::default())?;
///
/// let mut sealed = &sealed[..]; // any asynchronous reader
/// let header = read_header(FuturesIo(&mut sealed)).await?;
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = header.unlock_with(&[key], &OpenOptions::default())?;
/// let mut text = futures::io::Cursor::new(Vec::new());
/// open(opener, FuturesIo(&mut sealed), FuturesIo(&mut text), &Options::default()).await?;
/// assert_eq!(text.get_ref(), b"text");
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
pub async fn read_header(mut sealed: impl Input) -> Result<Header, Error> {
    let mut bytes = Vec::new();
    loop {
        let missing = match parse(&bytes) {
            Ok(parsed) => return parsed,
            Err(missing) => missing,
        };
        let start = bytes.len();
        bytes.resize(start + missing, 0);
        let filled =
            fill(&mut sealed, &mut bytes[start..]).await.map_err(io_error(READING_HEADER))?;
        if filled < missing {
            bytes.truncate(start + filled);
            return Header::parse(&bytes);
        }
    }
}

/// The header in `bytes`, or how many more bytes of it must be read first.
pub(crate) fn parse(bytes: &[u8]) -> Result<Result<Header, Error>, usize> {
    let mut probe = Probe { bytes, missing: None };
    let parsed = Header::read(&mut probe);
    probe.missing.map_or(Ok(parsed), Err)
}

/// Asks the engine what it would read next.
struct Probe<'b> {
    bytes: &'b [u8],
    missing: Option<usize>,
}

impl Read for Probe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            self.missing = Some(buffer.len());
            return Ok(0);
        }
        self.bytes.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use strongroom::document::{self, SealOptions, Slots};
    use strongroom::secret::Secret;
    use strongroom::wrap::{KeyId, WrappingKey};

    use super::*;

    #[test]
    fn what_is_missing_is_known_from_what_is_there() {
        for (slots, header_len) in [(Slots::One, 512), (Slots::Two, 2560)] {
            let key =
                WrappingKey::aes(KeyId::new("vault/a/1").unwrap(), Secret::generate().unwrap());
            let options = SealOptions { slots, ..SealOptions::default() };
            let sealed = document::seal(b"", &[key], &options).unwrap();
            for length in 0..=sealed.len() {
                let missing = match length {
                    0..136 => 136 - length,
                    _ => header_len - header_len.min(length),
                };
                match parse(&sealed[..length]) {
                    Ok(parsed) => assert_eq!((parsed.unwrap().len(), missing), (header_len, 0)),
                    Err(found) => assert_eq!(found, missing),
                }
            }
        }
        assert!(parse(&[0; 136]).unwrap().is_err());
    }
}
