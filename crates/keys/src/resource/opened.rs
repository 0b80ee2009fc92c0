//! An open document of a resource: the opener and the readers that it makes, each under its lease.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncRead;
use strongroom::document::{
    Layout, Opener, ReadAt, Reader, Run, StreamReader, Totals, UnverifiedLayout, WriteAt,
};
use zeroize::Zeroize;

use super::leased::Guarded;
use crate::cache::Lease;
use crate::error::DocumentError;

/// Opens the body of one document, for as long as its keys may be used.
///
/// It holds the lease of the keys and checks it before bytes are handed out: before each piece that is
/// written to a file or a stream, and at each read of a reader that it makes, buffered bytes included. It
/// never asks a vault: [`Resources::run`](crate::Resources::run) or
/// [`Resources::renew`](crate::Resources::renew) keep the lease alive.
///
/// # Security
///
/// After [`Resources::revoke_now`](crate::Resources::revoke_now) has returned, no read that begins in this
/// process gives a byte. After a refusal of the vault that is the case within one `refresh`, and in every
/// case when the keys are `max_age` old. No method reaches the engine's opener around the check:
///
/// ```compile_fail,E0616
/// # fn read(opener: strongroom_keys::resource::LeasedOpener, sealed: &[u8]) {
/// opener.0.read(|opener| opener.open_slice(sealed));
/// # }
/// ```
///
/// # Example
///
/// ```no_run
/// # async fn open(resources: strongroom_keys::Resources) -> Result<(), Box<dyn std::error::Error>> {
/// use std::fs::File;
/// use strongroom::document::{Header, Run};
/// use strongroom_keys::resource::{OpenRequest, ResourceId};
///
/// let (sealed, text) = (File::open("contract.sealed")?, File::create("contract")?);
/// let header = Header::read_at(&sealed)?;
/// let id = ResourceId::new("contoso")?;
/// let opener = resources.opener(&id, &header, &OpenRequest::default()).await?;
/// opener.open_file(&sealed, &text, &Run::default())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LeasedOpener(Guarded<Opener>);

impl LeasedOpener {
    /// `opener` under `lease`. With [`Lease::unlimited`] hosts treat documents that belong to no resource in
    /// the same way.
    #[must_use]
    pub fn new(opener: Opener, lease: Lease) -> Self {
        Self(Guarded::new(opener, lease))
    }

    /// The right to read the document.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        self.0.lease()
    }

    /// For a document whose header is kept apart: see [`Opener::detached`].
    #[must_use]
    pub fn detached(self) -> Self {
        Self(self.0.map(Opener::detached))
    }

    /// Opens `sealed`, a whole document in memory.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::open_slice`].
    pub fn open_slice(&self, sealed: &[u8]) -> Result<Vec<u8>, DocumentError> {
        self.0.read(|opener| Ok(opener.open_slice(sealed)?))
    }

    /// Opens `sealed`, a whole document in memory, into `plaintext`, which has its length.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::open_into`]; `plaintext` is zeroed then.
    pub fn open_into(&self, sealed: &[u8], plaintext: &mut [u8]) -> Result<(), DocumentError> {
        self.0.read_into(plaintext, |opener, plaintext| Ok(opener.open_into(sealed, plaintext)?))
    }

    /// Opens `sealed`, a whole document, into `output`. The lease is checked before each chunk is written.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::open_file`]; `output` must not be kept then.
    pub fn open_file(
        &self,
        sealed: &(impl ReadAt + ?Sized),
        output: &(impl WriteAt + ?Sized),
        run: &Run<'_>,
    ) -> Result<Totals, DocumentError> {
        self.0.open_to(output, |opener, output| opener.open_file(sealed, output, run))
    }

    /// Authenticates all of `sealed`, a whole document, and writes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::verify_file`].
    pub fn verify_file(
        &self,
        sealed: &(impl ReadAt + ?Sized),
        run: &Run<'_>,
    ) -> Result<Totals, DocumentError> {
        self.0.look(|opener| opener.verify_file(sealed, run))
    }

    /// Opens the body that `sealed` gives next into `output`. The lease is checked before each write.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::open_stream`]; `output` must not be kept then.
    pub fn open_stream(
        self,
        sealed: &mut impl Read,
        output: &mut impl Write,
        run: &Run<'_>,
    ) -> Result<Totals, DocumentError> {
        self.0.open_once_to(output, |opener, output| opener.open_stream(sealed, output, run))
    }

    /// Authenticates the body that `sealed` gives next and writes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::verify_stream`].
    pub fn verify_stream(
        self,
        sealed: &mut impl Read,
        run: &Run<'_>,
    ) -> Result<Totals, DocumentError> {
        self.open_stream(sealed, &mut io::sink(), run)
    }

    /// Opens a part of a document that was fetched by itself: see [`Opener::open_range`].
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::open_range`].
    pub fn open_range(
        &self,
        layout: &Layout,
        plaintext: Range<u64>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, DocumentError> {
        self.0.read(|opener| Ok(opener.open_range(layout, plaintext, sealed)?))
    }

    /// The layout of a document of `sealed_len` bytes: see [`Opener::layout`].
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::layout`].
    pub fn layout(&self, sealed_len: u64) -> Result<UnverifiedLayout, DocumentError> {
        self.0.look(|opener| opener.layout(sealed_len))
    }

    /// The layout, after `proof` has vouched for it: see [`Opener::verify_layout`].
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::verify_layout`].
    pub fn verify_layout(
        &self,
        layout: &UnverifiedLayout,
        proof: &[u8],
    ) -> Result<Layout, DocumentError> {
        self.0.look(|opener| opener.verify_layout(layout, proof))
    }

    /// The layout of `sealed`, a whole document: see [`Opener::file_layout`].
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::file_layout`].
    pub fn file_layout(&self, sealed: &(impl ReadAt + ?Sized)) -> Result<Layout, DocumentError> {
        self.0.look(|opener| opener.file_layout(sealed))
    }

    /// A reader of `source`, a whole document, at any offset.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::into_reader`].
    pub fn into_reader<S: ReadAt>(self, source: S) -> Result<LeasedReader<S>, DocumentError> {
        self.lease().check()?;
        let reader = self.0.try_map(|opener| opener.into_reader(source))?;
        let layout = reader.look(|reader| Ok(*reader.layout()))?;
        Ok(LeasedReader { reader, layout })
    }

    /// A reader of the text of the document whose body `sealed` gives next.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Opener::into_stream_reader`].
    pub fn into_stream_reader<R: Read>(
        self,
        sealed: R,
        run: &Run<'_>,
    ) -> Result<Leased<StreamReader<R>>, DocumentError> {
        self.lease().check()?;
        Ok(Leased(self.0.try_map(|opener| opener.into_stream_reader(sealed, run))?))
    }

    /// A reader of another crate, made of the engine's opener and under the same lease: an
    /// `AsyncStreamReader` or an `AsyncRangeReader`, for example. `make` must not keep the opener elsewhere.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use strongroom::document::{Opener, Reader};
    /// # async fn read(opener: strongroom_keys::resource::LeasedOpener, sealed: Vec<u8>)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn fetch(opener: Opener, sealed: &[u8]) -> Result<Reader<&[u8]>, strongroom::Error> {
    /// #     opener.into_reader(sealed)
    /// # }
    /// let reader = opener.into_leased(async |opener| fetch(opener, &sealed).await).await?;
    /// let text = reader.read_with(async |reader| {
    ///     let mut text = vec![0; 4];
    ///     reader.read_exact_at(&mut text, 0)?;
    ///     Ok(text)
    /// });
    /// let text = text.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_leased<R, E>(
        self,
        make: impl AsyncFnOnce(Opener) -> Result<R, E>,
    ) -> Result<Leased<R>, E> {
        Ok(Leased(self.0.try_map_async(make).await?))
    }
}

/// Reads the plaintext of a sealed document of a resource at any offset: see [`Reader`]. The lease is checked
/// at each read, of buffered bytes as well.
///
/// # Example
///
/// ```no_run
/// # use strongroom_keys::resource::{DocumentError, LeasedOpener};
/// # fn read(opener: LeasedOpener, sealed: &[u8]) -> Result<(), DocumentError> {
/// let reader = opener.into_reader(sealed)?;
/// let mut text = [0; 4];
/// reader.read_exact_at(&mut text, 2)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LeasedReader<S> {
    reader: Guarded<Reader<S>>,
    layout: Layout,
}

impl<S: ReadAt> LeasedReader<S> {
    /// The right to read the document.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        self.reader.lease()
    }

    /// The layout of the sealed document.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads as many bytes from `offset` on as `buffer` takes and the plaintext has; returns the count.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Reader::read_at`]; `buffer` holds nothing of use then.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, DocumentError> {
        self.reader.read_into(buffer, |reader, buffer| Ok(reader.read_at(buffer, offset)?))
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Reader::read_exact_at`].
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DocumentError> {
        self.reader.read_into(buffer, |reader, buffer| Ok(reader.read_exact_at(buffer, offset)?))
    }

    /// Fills many buffers, each from its own offset on: see [`Reader::read_ranges`].
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and [`Reader::read_ranges`]; the buffers are zeroed then.
    pub fn read_ranges(&self, ranges: &mut [(u64, &mut [u8])]) -> Result<(), DocumentError> {
        let mut ranges = Ranges(ranges);
        self.reader.read_into(&mut ranges, |reader, ranges| Ok(reader.read_ranges(ranges.0)?))
    }
}

/// Buffers that are zeroed together.
struct Ranges<'r, 'b>(&'r mut [(u64, &'b mut [u8])]);

impl Zeroize for Ranges<'_, '_> {
    fn zeroize(&mut self) {
        for (_, buffer) in self.0.iter_mut() {
            buffer.zeroize();
        }
    }
}

impl<S: ReadAt> Read for LeasedReader<S> {
    /// # Errors
    ///
    /// [`io::ErrorKind::PermissionDenied`] with the [`Error`](crate::Error) inside where the lease does not
    /// serve; those of [`Reader`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read_into_mut(buffer, Read::read)
    }
}

impl<S: ReadAt> Seek for LeasedReader<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.read_into_mut(&mut [0; 0], |reader, _: &mut [u8; 0]| reader.seek(to))
    }
}

/// A reader of an open document of a resource. The lease is checked at each read, of buffered bytes as
/// well. It reads as the reader within does: as a [`Read`], or as an `AsyncRead` of `futures-io`.
///
/// # Example
///
/// ```no_run
/// # use strongroom_keys::resource::LeasedOpener;
/// # fn read(opener: LeasedOpener, body: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// use std::io::Read;
/// use strongroom::document::Run;
///
/// let mut text = String::new();
/// opener.into_stream_reader(body, &Run::default())?.read_to_string(&mut text)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Leased<R>(Guarded<R>);

impl<R> Leased<R> {
    /// The right to read the document.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        self.0.lease()
    }

    /// One read by a method of the reader within: see [`LeasedOpener::into_leased`] for an example. The text
    /// is wiped where the lease does not serve any more when it has been read.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::check`] and of `read`.
    pub async fn read_with<T: Zeroize>(
        &self,
        read: impl AsyncFnOnce(&R) -> Result<T, strongroom::Error>,
    ) -> Result<T, DocumentError> {
        self.0.read_async(async |reader| Ok(read(reader).await?)).await
    }
}

impl<R: Read> Read for Leased<R> {
    /// # Errors
    ///
    /// [`io::ErrorKind::PermissionDenied`] with the [`Error`](crate::Error) inside where the lease does not
    /// serve; those of the reader within.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_into_mut(buffer, Read::read)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Leased<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.get_mut().0.read_into_mut(buffer, |reader, buffer| {
            match Pin::new(reader).poll_read(context, buffer) {
                Poll::Ready(read) => read.map(Poll::Ready),
                Poll::Pending => Ok(Poll::Pending),
            }
        });
        polled.map_or_else(|error| Poll::Ready(Err(error)), |polled| polled.map(Ok))
    }
}
