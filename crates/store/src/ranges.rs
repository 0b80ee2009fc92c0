//! Many ranges of one object in few requests.
//!
//! ```text
//! ranges -> those that share a chunk are opened together -> those that lie near are fetched together
//!        -> a few requests at once, of one version -> each chunk opened once, several at once -> slices
//! ```

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, Result};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use strongroom_async::Place;
use strongroom_keys::resource::DocumentError;

use crate::error::StoreError;
use crate::fetch::{ATTEMPTS, Found, NEAR, outside, slice, stale};
use crate::object::OpenObject;
use crate::shared::{Named, Shared};

/// Requests at once.
const PARALLEL: usize = 10;

/// Bytes of a request that joins several ranges.
const LONGEST: u64 = 8 << 20;

/// A part of a text that is opened at once, and the request that brings its records.
struct Unit {
    text: Range<u64>,
    sealed: Range<u64>,
    fetch: usize,
}

/// The requests for some ranges, and what is opened out of each.
#[derive(Default)]
struct Requests {
    units: Vec<Unit>,
    fetches: Vec<Range<u64>>,
}

pub(crate) async fn get_ranges(
    shared: &Shared,
    location: &Path,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>> {
    let named = shared.named(location)?;
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    for _attempt in 0..ATTEMPTS {
        if let Some(read) = shared.unless_replaced(&named, read(shared, &named, ranges).await) {
            return read;
        }
    }
    Err(stale(&named).into())
}

async fn read(shared: &Shared, named: &Named, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let options = GetOptions::default();
    let end = ranges.iter().map(|range| range.end).max();
    let Found { object, beginning } = shared.find(named, &options, end).await?;
    let text_len = object.text_len();
    let is_guess = beginning.is_none();
    let ranges: Vec<Range<u64>> = ranges
        .iter()
        .map(|range| GetRange::Bounded(range.clone()).as_range(text_len))
        .collect::<std::result::Result<_, _>>()
        // A length that was known before is a guess: no range is refused for it.
        .map_err(|error| if is_guess { stale(named).into() } else { outside(error) })?;
    let requests = Requests::for_ranges(&object, &named.location, &ranges)?;

    let beginning = beginning.map(|beginning| beginning.bytes).unwrap_or_default();
    let fetches = requests.fetches.clone().into_iter().map(|sealed| {
        let (options, version, beginning) = (&options, &object.version, &beginning);
        async move {
            match slice(beginning, &sealed) {
                Some(bytes) => Ok(bytes),
                None => shared.fetch(named, options, version, sealed).await,
            }
        }
    });
    let fetched: Vec<Bytes> = stream::iter(fetches).buffered(PARALLEL).try_collect().await?;

    let bytes = fetched.iter().map(|bytes| bytes.len() as u64).sum();
    let place = shared.place(bytes);
    let is_here = matches!(place, Place::Here);
    let Requests { units, fetches } = requests;
    let opening = place.start({
        let object = Arc::clone(&object);
        move || {
            let open = |unit: &Unit| unit.open(&object, &fetches, &fetched);
            let opened: std::result::Result<Vec<Bytes>, _> = if is_here {
                units.iter().map(open).collect()
            } else {
                (&units).into_par_iter().map(open).collect()
            };
            opened.map(|opened| (units, opened))
        }
    });
    let path = &named.location;
    let opened = opening.finish().await.map_err(StoreError::engine(path))?;
    let (units, opened) = opened.map_err(|error| {
        let is_changed =
            matches!(error, DocumentError::Document(strongroom::Error::Authentication));
        if is_guess && is_changed {
            // The header may be another version's, whose ETag is the same.
            return stale(named);
        }
        shared.counters.refused.add(1);
        StoreError::document(path)(error)
    })?;
    let texts: Vec<Bytes> = ranges.iter().map(|range| part_of(&units, &opened, range)).collect();
    shared.counters.opened_bytes.add(texts.iter().map(|text| text.len() as u64).sum());
    Ok(texts)
}

impl Requests {
    fn for_ranges(
        object: &OpenObject,
        path: &Path,
        ranges: &[Range<u64>],
    ) -> std::result::Result<Self, StoreError> {
        let mut sorted: Vec<&Range<u64>> = ranges.iter().collect();
        sorted.sort_unstable_by_key(|range| range.start);
        let mut requests = Self::default();
        for text in sorted {
            let sealed = object.sealed_range(path, text.clone())?;
            match requests.units.last_mut() {
                // A chunk of both is opened once.
                Some(unit) if sealed.start < unit.sealed.end => {
                    unit.text.end = unit.text.end.max(text.end);
                    unit.sealed.end = unit.sealed.end.max(sealed.end);
                }
                _ => requests.units.push(Unit { text: text.clone(), sealed, fetch: 0 }),
            }
        }
        for unit in &mut requests.units {
            match requests.fetches.last_mut() {
                Some(last)
                    if unit.sealed.start.saturating_sub(last.end) <= NEAR
                        && unit.sealed.end.saturating_sub(last.start) <= LONGEST =>
                {
                    last.end = last.end.max(unit.sealed.end);
                }
                _ => requests.fetches.push(unit.sealed.clone()),
            }
            unit.fetch = requests.fetches.len().saturating_sub(1);
        }
        Ok(requests)
    }
}

impl Unit {
    fn open(
        &self,
        object: &OpenObject,
        fetches: &[Range<u64>],
        fetched: &[Bytes],
    ) -> std::result::Result<Bytes, DocumentError> {
        let from = fetches.get(self.fetch).map_or(0, |fetch| fetch.start);
        let within = self.sealed.start.saturating_sub(from)..self.sealed.end.saturating_sub(from);
        let sealed = fetched.get(self.fetch).and_then(|bytes| slice(bytes, &within));
        let sealed = sealed.unwrap_or_default();
        object.opener.open_range(&object.layout, self.text.clone(), &sealed).map(Bytes::from)
    }
}

/// The text of a range out of the unit that it is in.
fn part_of(units: &[Unit], opened: &[Bytes], range: &Range<u64>) -> Bytes {
    let at = units.partition_point(|unit| unit.text.start <= range.start).saturating_sub(1);
    let from = units.get(at).map_or(0, |unit| unit.text.start);
    let within = range.start.saturating_sub(from)..range.end.saturating_sub(from);
    opened.get(at).and_then(|text| slice(text, &within)).unwrap_or_default()
}
