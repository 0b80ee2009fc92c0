//! Reading: whole objects, one range of them, and what is known of an object without reading it.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore as _, Result};

use crate::fetch::{ATTEMPTS, Beginning, Found, outside, slice, stale};
use crate::manifest::HEADER_LEN;
use crate::object::{OpenObject, Version};
use crate::opened::opened;
use crate::payload;
use crate::shared::{Named, Shared};

/// Reads what `options` ask for.
pub(crate) async fn get_opts(
    shared: &Arc<Shared>,
    location: &Path,
    options: GetOptions,
) -> Result<GetResult> {
    let named = shared.named(location)?;
    if options.head {
        return head(shared, &named, options).await;
    }
    for _attempt in 0..ATTEMPTS {
        let got = match &options.range {
            None => whole(shared, &named, &options).await.map(|(_, answer)| answer),
            Some(range) => part(shared, &named, &options, range).await,
        };
        if let Some(got) = shared.unless_replaced(&named, got) {
            return got;
        }
    }
    Err(stale(&named).into())
}

/// Reads a whole object, and gives what was opened with the answer.
pub(crate) async fn get_whole(
    shared: &Arc<Shared>,
    named: &Named,
    options: &GetOptions,
) -> Result<(Arc<OpenObject>, GetResult)> {
    for _attempt in 0..ATTEMPTS {
        if let Some(got) = shared.unless_replaced(named, whole(shared, named, options).await) {
            return got;
        }
    }
    Err(stale(named).into())
}

/// The length of a text is arithmetic: one request, and none for the header.
pub(crate) async fn head(shared: &Shared, named: &Named, options: GetOptions) -> Result<GetResult> {
    let asked = GetOptions { range: None, ..options };
    let answer = shared.inner.get_opts(&named.location, asked).await?;
    let text_len = shared.text_len(&named.location, answer.meta.size)?;
    let text = match &options.range {
        Some(range) => range.as_range(text_len).map_err(outside)?,
        None => 0..text_len,
    };
    Ok(with_text(answer, text_len, text, stream::empty().boxed()))
}

/// One request for header and body, and one for the last chunk of a stream, once.
async fn whole(
    shared: &Arc<Shared>,
    named: &Named,
    options: &GetOptions,
) -> Result<(Arc<OpenObject>, GetResult)> {
    let mut answer = shared.inner.get_opts(&named.location, options.clone()).await?;
    let mut sealed = payload::take(&mut answer);
    let mut come = BytesMut::new();
    let header_len = usize::try_from(HEADER_LEN).unwrap_or(usize::MAX);
    let mut first = Bytes::new();
    while first.len() < header_len {
        let Some(more) = sealed.try_next().await? else { break };
        first = if first.is_empty() {
            more
        } else {
            come.extend_from_slice(&first);
            come.extend_from_slice(&more);
            come.split().freeze()
        };
    }
    let known = shared.headers.get(&named.location);
    let known = known.filter(|object| {
        object.version == Version::of(&answer.meta)
            && first.starts_with(&object.header_bytes)
            && object.opener.lease().check().is_ok()
    });
    let object = match known {
        Some(object) => object,
        None => shared.open(named, options, &answer.meta, &first).await?,
    };
    let rest = first.split_off(header_len.min(first.len()));
    let sealed = stream::once(std::future::ready(Ok(rest))).chain(sealed).boxed();
    let text = 0..object.text_len();
    let answer = answered(shared, named, Arc::clone(&object), answer, text, sealed);
    Ok((object, answer))
}

/// One request where the header is known or near, and two otherwise.
async fn part(
    shared: &Arc<Shared>,
    named: &Named,
    options: &GetOptions,
    range: &GetRange,
) -> Result<GetResult> {
    let end = match range {
        GetRange::Bounded(range) => Some(range.end),
        GetRange::Offset(_) | GetRange::Suffix(_) => None,
    };
    let Found { object, beginning } = shared.find(named, options, end).await?;
    let text = range.as_range(object.text_len());
    // A length that was known before is a guess: no range is refused for it, and none is empty.
    let text = match &beginning {
        Some(_) => text.map_err(outside)?,
        None => text.ok().filter(|text| !text.is_empty()).ok_or_else(|| stale(named))?,
    };
    let sealed = object.sealed_range(&named.location, text.clone())?;
    if let Some(Beginning { answer, bytes }) = beginning
        && let Some(bytes) = slice(&bytes, &sealed)
    {
        let bytes = stream::once(std::future::ready(Ok(bytes))).boxed();
        return Ok(answered(shared, named, object, answer, text, bytes));
    }
    let mut answer = shared.answer(named, options, &object.version, sealed).await?;
    let sealed = payload::take(&mut answer);
    Ok(answered(shared, named, object, answer, text, sealed))
}

/// The inner store's answer, with the text in place of the sealed bytes.
fn answered(
    shared: &Arc<Shared>,
    named: &Named,
    object: Arc<OpenObject>,
    answer: GetResult,
    text: Range<u64>,
    sealed: BoxStream<'static, Result<Bytes>>,
) -> GetResult {
    let text_len = object.text_len();
    let stream = opened(shared, named.clone(), object, text.clone(), sealed);
    with_text(answer, text_len, text, stream)
}

fn with_text(
    mut answer: GetResult,
    text_len: u64,
    range: Range<u64>,
    text: BoxStream<'static, Result<Bytes>>,
) -> GetResult {
    answer.payload = GetResultPayload::Stream(text);
    answer.meta.size = text_len;
    answer.range = range;
    answer
}
