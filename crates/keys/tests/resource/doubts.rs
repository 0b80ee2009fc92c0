//! Doubts that a repair of the audit trail leaves, and the processes that run meanwhile.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use strongroom_keys::audit::{AuditKey, JsonLines};
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{OpenRequest, Resources};
use strongroom_keys::state::StateError;
use strongroom_keys::{Error, block_on};
use tempfile::TempDir;

use crate::seconds;
use crate::world::{World, refusal};

/// A world with a document, and a trail on a disk that was damaged and repaired.
struct Repaired {
    world: World,
    sealed: Vec<u8>,
    directory: TempDir,
}

impl Repaired {
    fn new() -> Self {
        let (world, directory) = (World::with_cmk(), tempfile::tempdir().unwrap());
        let sealed = world.seal().unwrap();
        let repaired = Self { world, sealed, directory };
        block_on(repaired.process().status(&repaired.world.id)).unwrap();
        let mut bytes = fs::read(repaired.path()).unwrap();
        bytes[20] ^= 1;
        fs::write(repaired.path(), bytes).unwrap();
        let time = repaired.world.clock.unix_time();
        repaired.trail().repair(time, Some("ops")).unwrap().unwrap();
        repaired
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("audit.jsonl")
    }

    fn trail(&self) -> JsonLines {
        JsonLines::new(self.path(), &AuditKey::new(&[7; 32]))
    }

    fn process(&self) -> Resources {
        let config = self.world.config(&self.world.audit).with_audit(Arc::new(self.trail()));
        block_on(config.open()).unwrap()
    }

    fn open(&self, process: &Resources) -> Result<(), Error> {
        let request = OpenRequest::default();
        let opened = block_on(process.open(&self.world.id, &self.sealed, &request));
        opened.map(drop).map_err(refusal)
    }

    fn is_in_doubt(&self, process: &Resources) -> bool {
        block_on(process.status(&self.world.id)).unwrap().in_doubt
    }
}

fn is_refused(opened: Result<(), Error>) {
    let error = opened.unwrap_err();
    assert!(matches!(error, Error::State(StateError::InDoubt { .. })), "{error}");
}

#[test]
fn a_process_that_runs_opens_again_once_another_one_has_confirmed_the_state() {
    let repaired = Repaired::new();
    let [host, operator] = [(); 2].map(|()| repaired.process());
    is_refused(repaired.open(&host));
    assert!(repaired.is_in_doubt(&host));
    assert_eq!(block_on(operator.accept_states()).unwrap().len(), 1);
    assert!(!repaired.is_in_doubt(&host));
    // A refusal stands for the refresh time, as others do.
    repaired.world.clock.advance(seconds(60));
    repaired.open(&host).unwrap();
}

#[test]
fn a_process_that_knew_of_a_doubt_does_not_raise_it_again_by_a_withdrawal() {
    let repaired = Repaired::new();
    let id = &repaired.world.id;
    let [host, operator] = [(); 2].map(|()| repaired.process());
    block_on(operator.accept_states()).unwrap();
    block_on(host.revoke_now(id)).unwrap();
    block_on(host.refresh(id)).unwrap();
    for process in [host, operator, repaired.process()] {
        repaired.open(&process).unwrap();
    }
}

#[test]
fn a_withdrawal_while_a_state_is_in_doubt_does_not_confirm_it() {
    let repaired = Repaired::new();
    let id = &repaired.world.id;
    let host = repaired.process();
    block_on(host.revoke_now(id)).unwrap();
    for process in [host, repaired.process()] {
        assert!(repaired.is_in_doubt(&process));
        assert!(matches!(
            block_on(process.refresh(id)),
            Err(Error::State(StateError::InDoubt { .. }))
        ));
    }
}
