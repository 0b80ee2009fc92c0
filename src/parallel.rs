//! Layer 3: a text cut into chunks, and the chunks spread over rayon's current thread pool.

#[cfg(feature = "std")]
mod overlap;
mod plan;
mod run;

#[cfg(feature = "std")]
pub(crate) use overlap::overlap;
pub use plan::ChunkLen;
pub(crate) use plan::{Chunk, ChunkCounter, ChunkPlan, ChunkSpan, TAG_LEN};
#[cfg(feature = "std")]
pub(crate) use run::Team;
pub(crate) use run::{Memory, Work, for_each, for_each_init};
