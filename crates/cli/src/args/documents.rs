//! The options of the commands on the documents of a resource.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use strongroom_keys::resource::ResourceId;

use super::service::{TimeOption, resource_id};
use super::{
    ContextOption, HomeOption, JsonOption, PrintOptions, RunOptions, parse_duration, path,
};

#[derive(Debug, Args)]
pub(crate) struct MoveDocumentsArgs {
    /// The resource's name
    #[arg(value_name = "NAME", value_parser = resource_id)]
    pub(crate) name: ResourceId,

    /// Documents, and directories of documents
    #[arg(required = true, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath, value_parser = path())]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) home: HomeOption,

    #[command(flatten)]
    pub(crate) context: ContextOption,

    #[command(flatten)]
    pub(crate) run: RunOptions,

    /// The longest wait for another command that is changing a document: 30s, 5m [default: as long as it
    /// takes]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) lock_timeout: Option<u64>,

    #[command(flatten)]
    pub(crate) print: PrintOptions,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// The resource whose expired documents to remove
    #[arg(value_name = "NAME", value_parser = resource_id, requires = "paths")]
    pub(crate) name: Option<ResourceId>,

    /// Documents, and directories of documents
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath, value_parser = path())]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) time: TimeOption,

    #[command(flatten)]
    pub(crate) home: HomeOption,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteDocumentsArgs {
    /// The resource that the documents are of
    #[arg(value_name = "NAME", value_parser = resource_id)]
    pub(crate) name: ResourceId,

    /// Documents; a header that is kept in a file of its own beside its document
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = path())]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) json: JsonOption,
}
