//! Layer 3: a text cut into chunks, and the chunks spread over rayon's current thread pool.

mod plan;
mod run;

pub use plan::ChunkLen;
pub(crate) use plan::{Chunk, ChunkCounter, ChunkPlan, ChunkSpan, TAG_LEN};
pub(crate) use run::{for_each, workers};
