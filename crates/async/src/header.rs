//! The header, whose own bytes say how many there are.

use strongroom::Error;
use strongroom::document::{Header, IoLabels};

use crate::transfer::fill;
use crate::transport::Input;

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
        let (start, needed) = (bytes.len(), Header::required_len(&bytes)?);
        if start >= needed {
            return Header::parse(&bytes);
        }
        bytes.resize(needed, 0);
        let filled = fill(&mut sealed, &mut bytes[start..]).await;
        let filled = filled.map_err(Error::io(IoLabels::HEADER.reading))?;
        if start + filled < needed {
            return Header::parse(&bytes[..start + filled]);
        }
    }
}
