//! Layer 3: a text cut into chunks, and the chunks spread over rayon's current thread pool.

mod plan;
mod run;

pub use plan::ChunkLen;
#[cfg(feature = "std")]
pub(crate) use plan::TAG_LEN;
pub(crate) use plan::{Chunk, ChunkCounter, ChunkPlan, ChunkSpan};
pub(crate) use run::{for_each, workers};
