//! Ranges of a document that is far away: one request for each.

use std::io;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use rayon::ThreadPool;
use strongroom::Error;
use strongroom::document::{Header, IoLabels, Layout, Opener};
use zeroize::Zeroizing;

use crate::place::Place;

/// Bytes that are asked for at first: most headers are shorter.
const HEADER_GUESS: u64 = 4096;

/// A source of known length that is read at offsets, a remote store's object for example.
///
/// # Example
///
/// ```
/// use std::io;
/// use std::ops::Range;
/// use strongroom_async::AsyncReadAt;
///
/// struct Object {
///     length: u64, // as the store's listing says
/// }
///
/// # async fn get(_: Range<u64>) -> io::Result<Vec<u8>> { Ok(Vec::new()) }
/// impl AsyncReadAt for Object {
///     type Bytes = Vec<u8>;
///
///     async fn read_exact_at(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
///         get(range).await // one request
///     }
///
///     async fn byte_len(&self) -> io::Result<u64> {
///         Ok(self.length)
///     }
/// }
/// ```
pub trait AsyncReadAt: Sync {
    /// The bytes of one read, in memory that nobody changes.
    type Bytes: AsRef<[u8]> + Send + 'static;

    /// The bytes of `range` (from the start of the source), all of them.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] where the source ends before that, and what it returns.
    fn read_exact_at(
        &self,
        range: Range<u64>,
    ) -> impl Future<Output = io::Result<Self::Bytes>> + Send;

    /// The source's length in bytes, as it is now.
    ///
    /// # Errors
    ///
    /// What the source returns.
    fn byte_len(&self) -> impl Future<Output = io::Result<u64>> + Send;
}

impl<S: AsyncReadAt + ?Sized> AsyncReadAt for &S {
    type Bytes = S::Bytes;

    async fn read_exact_at(&self, range: Range<u64>) -> io::Result<S::Bytes> {
        (**self).read_exact_at(range).await
    }

    async fn byte_len(&self) -> io::Result<u64> {
        (**self).byte_len().await
    }
}

impl<S: AsyncReadAt + Send + ?Sized> AsyncReadAt for Arc<S> {
    type Bytes = S::Bytes;

    async fn read_exact_at(&self, range: Range<u64>) -> io::Result<S::Bytes> {
        (**self).read_exact_at(range).await
    }

    async fn byte_len(&self) -> io::Result<u64> {
        (**self).byte_len().await
    }
}

/// A document in memory.
impl AsyncReadAt for [u8] {
    type Bytes = Vec<u8>;

    async fn read_exact_at(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let place = |offset| usize::try_from(offset).ok();
        let piece = place(range.start)
            .zip(place(range.end))
            .and_then(|(start, end)| self.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(piece.to_vec())
    }

    async fn byte_len(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// Reads the header at the start of `source`: one request for 4 KiB, and one more for the rest of a
/// longer header.
///
/// # Errors
///
/// Those of [`Header::parse`], and [`Error::Io`].
pub async fn read_header_at(source: &(impl AsyncReadAt + ?Sized)) -> Result<Header, Error> {
    let reading = IoLabels::HEADER.reading;
    let length = source.byte_len().await.map_err(Error::io(reading))?;
    let guess = fetch(source, 0..length.min(HEADER_GUESS), reading).await?;
    let guess = guess.as_ref();
    let end = length.min(Header::required_len(guess)? as u64);
    if end <= guess.len() as u64 {
        return Header::parse(guess);
    }
    let rest = fetch(source, guess.len() as u64..end, reading).await?;
    Header::parse(&[guess, rest.as_ref()].concat())
}

/// Reads the plaintext of a sealed document at any offset, with one request for each range: the
/// records that hold it, whole, since a tag covers all of its record. More than 256 KiB of them are
/// opened on a thread pool.
///
/// [`AsyncRangeReader::read`] takes `&self`: one reader serves many tasks.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
/// use strongroom_async::{AsyncRangeReader, read_header_at};
///
/// # futures::executor::block_on(async {
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"a long contract", &[wrapping], &SealOptions::default())?;
///
/// let source = &sealed[..]; // anything that is an AsyncReadAt
/// let header = read_header_at(source).await?;
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = header.unlock_with(&[key], &OpenOptions::default())?;
/// let reader = AsyncRangeReader::new(source, opener, None).await?;
/// assert_eq!(reader.read(2..6).await?, b"long");
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
pub struct AsyncRangeReader<S> {
    source: S,
    opener: Arc<Opener>,
    layout: Layout,
    pool: Option<Arc<ThreadPool>>,
}

impl<S: AsyncReadAt> AsyncRangeReader<S> {
    /// A reader of `source`, a whole document, from whose header `opener` was unlocked. Of a stream it
    /// opens the last chunk first, which vouches for the length; of a document whose header is detached
    /// it reads the prologue. `pool` computes; rayon's global one where it is `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where `source` has not the length that the header asks for or is the body of
    /// another document than a detached header's, [`Error::Authentication`] where a stream's last
    /// chunk does not hold, [`Error::Io`].
    pub async fn new(
        source: S,
        opener: Opener,
        pool: Option<Arc<ThreadPool>>,
    ) -> Result<Self, Error> {
        let length = source.byte_len().await.map_err(Error::io(IoLabels::OPENING.reading))?;
        let layout = opener.layout(length)?;
        if opener.is_detached() {
            let leading_len = opener.leading_len() as u64;
            let leading = fetch(&source, 0..leading_len, IoLabels::OPENING.reading).await?;
            opener.check_leading(leading.as_ref())?;
        }
        let (opener, range) = (Arc::new(opener), layout.proof_range());
        let layout = if range.is_empty() {
            opener.verify_layout(&layout, &[])?
        } else {
            let verify = move |opener: &Opener, proof: &[u8]| opener.verify_layout(&layout, proof);
            with_fetched(&source, range, &opener, pool.as_ref(), verify).await?
        };
        Ok(Self { source, opener, layout, pool })
    }

    /// The layout of the sealed document.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads a range of the plaintext: asks the source once, or not at all where the range is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the range ends before it begins or past the plaintext's end,
    /// [`Error::Authentication`] where a chunk was changed, [`Error::Io`].
    ///
    /// # Cancelling
    ///
    /// The future may be dropped at any time, and the reader goes on serving.
    pub async fn read(&self, plaintext: Range<u64>) -> Result<Vec<u8>, Error> {
        let sealed_range = self.layout.sealed_range(plaintext.clone())?;
        if sealed_range.is_empty() {
            return Ok(Vec::new());
        }
        let layout = self.layout;
        // Wiped where nobody waits for it any more.
        let open = move |opener: &Opener, sealed: &[u8]| {
            opener.open_range(&layout, plaintext, sealed).map(Zeroizing::new)
        };
        let pool = self.pool.as_ref();
        let mut text = with_fetched(&self.source, sealed_range, &self.opener, pool, open).await?;
        Ok(mem::take(&mut *text))
    }
}

/// Fetches a piece of the document and has it worked on: more than 256 KiB on the pool.
async fn with_fetched<S: AsyncReadAt, T: Send + 'static>(
    source: &S,
    piece: Range<u64>,
    opener: &Arc<Opener>,
    pool: Option<&Arc<ThreadPool>>,
    work: impl FnOnce(&Opener, &[u8]) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let sealed = fetch(source, piece, IoLabels::OPENING.reading).await?;
    let place = Place::of_work(sealed.as_ref().len() as u64, pool);
    let opener = Arc::clone(opener);
    place.start(move || work(&opener, sealed.as_ref())).finish().await?
}

impl<S> std::fmt::Debug for AsyncRangeReader<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncRangeReader").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// Asks the source for a range, and makes sure that it gave all of it.
async fn fetch<S: AsyncReadAt + ?Sized>(
    source: &S,
    range: Range<u64>,
    doing: &'static str,
) -> Result<S::Bytes, Error> {
    let length = range.end.saturating_sub(range.start);
    let bytes = source.read_exact_at(range).await.map_err(Error::io(doing))?;
    if bytes.as_ref().len() as u64 != length {
        let source = io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the source gave another number of bytes than it was asked for",
        );
        return Err(Error::Io { doing, source });
    }
    Ok(bytes)
}
