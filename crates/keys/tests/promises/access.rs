//! Permissions, identities, revocation and loss: who may read, and until when.

use std::time::Duration;

use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{Cause, EnableCmk, HostEvent, LeasedOpener, OnKeyLoss};
use strongroom_keys::testing::{Fault, Operation};
use strongroom_keys::vault::{DeniedReason, Operations};
use strongroom_keys::{Error, VaultError};

use crate::changes::{ENABLE, REFRESH};
use crate::rig::{Owner, Rig, rigs};
use crate::world::{IDENTITY, now, poll};

const MAX_AGE: Duration = Duration::from_secs(300);
const REFRESHED: Duration = Duration::from_secs(61);

#[test]
fn row_10_the_identity_needs_all_permissions_before_anything_changes() {
    for missing in Operation::ALL {
        for rig in rigs() {
            let others = Operation::ALL.into_iter().filter(|one| *one != missing);
            let others: [Operation; 2] = others.collect::<Vec<_>>().try_into().unwrap();
            rig.owner().permit(&rig.cmk[0], Operations::from(others));
            let changes = rig.store.changes();
            let started = rig.clock.elapsed();
            let error = rig.run(rig.resources.enable_cmk(&rig.id, &rig.enable())).unwrap_err();
            let reason = match &error {
                Error::Vault(VaultError::Denied { reason, .. }) => Some(*reason),
                _ => None,
            };
            assert_eq!(reason, Some(DeniedReason::Permission), "{missing:?}: {error}");
            assert_eq!((rig.state(), rig.store.changes()), ("service-managed", changes));
            let waited = rig.clock.elapsed().saturating_sub(started);
            assert!(waited > Duration::from_secs(60), "{missing:?}: given up after {waited:?}");
            assert!(waited < Duration::from_secs(3600), "{missing:?}: waited for {waited:?}");
            // One that comes while it is waited for.
            let with = rig.enable();
            let mut enabling = Box::pin(rig.resources.enable_cmk(&rig.id, &with));
            assert!(poll(enabling.as_mut()).is_pending(), "{missing:?}");
            rig.owner().permit(&rig.cmk[0], Operations::from(Operation::ALL));
            rig.run(enabling).unwrap();
            rig.open_in(&rig.restart(), &rig.seal().unwrap()).unwrap();
        }
    }
    assert!(!ENABLE.met().is_empty());
}

fn disable_identity(rig: &Rig, disabled: bool) {
    match rig.owner() {
        Owner::Local(vault) => drop(vault.set_identity_enabled(IDENTITY, !disabled).unwrap()),
        Owner::Memory(_) if disabled => {
            rig.customer.always(Fault::Refuse(DeniedReason::Identity));
        }
        Owner::Memory(_) => rig.customer.come_back(),
    }
}

#[test]
fn row_12_a_disabled_identity_ends_access_until_a_refresh() {
    for rig in rigs() {
        let rig = rig.enabled();
        let sealed = rig.seal().unwrap();
        disable_identity(&rig, true);
        // It must be heard for the whole time: a 401 may be somebody else's mistake.
        for _ in 0..59 {
            rig.clock.advance(Duration::from_secs(5));
            rig.open(&sealed).unwrap();
        }
        rig.clock.advance(Duration::from_secs(6));
        assert!(rig.open(&sealed).is_err());
        let cause = now(rig.resources.status(&rig.id)).unwrap().protection;
        assert_eq!(cause.name(), "denied");
        let told = rig.told.0.lock().unwrap().clone();
        assert!(matches!(told.as_slice(), [HostEvent::IdentityDisabled { .. }]), "{told:?}");
        assert!(rig.run(rig.resources.refresh(&rig.id)).is_err());
        disable_identity(&rig, false);
        rig.clock.advance(MAX_AGE);
        for resources in [rig.resources.clone(), rig.restart()] {
            assert!(rig.open_in(&resources, &sealed).is_err(), "not by itself");
        }
        rig.run(rig.resources.refresh(&rig.id)).unwrap();
        rig.open_in(&rig.restart(), &sealed).unwrap();
    }
    assert!(!REFRESH.met().is_empty());
}

#[test]
fn row_13_another_tenant_has_no_access() {
    for rig in rigs() {
        let rig = rig.enabled();
        let sealed = rig.seal().unwrap();
        now(rig.resources.moved_to_tenant(&rig.id, "fabrikam")).unwrap();
        for resources in [rig.resources.clone(), rig.restart()] {
            let error = rig.open_in(&resources, &sealed).unwrap_err();
            assert!(matches!(error, Error::Denied { cause: Cause::OtherTenant, .. }));
            assert!(now(resources.refresh(&rig.id)).is_err());
        }
        now(rig.resources.moved_to_tenant(&rig.id, crate::world::TENANT)).unwrap();
        now(rig.resources.refresh(&rig.id)).unwrap();
        rig.open(&sealed).unwrap();
    }
}

/// A directory that is gone, and one that cannot be reached.
#[test]
fn row_17_a_deleted_vault_is_an_outage() {
    for rig in rigs() {
        let with = EnableCmk { on_key_loss: OnKeyLoss::crypto_shred(), ..rig.enable() };
        now(rig.resources.enable_cmk(&rig.id, &with)).unwrap();
        let sealed = rig.seal().unwrap();
        let moved = match rig.owner() {
            Owner::Local(vault) => {
                let away = vault.path().with_extension("away");
                std::fs::rename(vault.path(), &away).unwrap();
                Some((away, vault.path().to_owned()))
            }
            Owner::Memory(_) => {
                rig.customer.always(Fault::Fail);
                None
            }
        };
        rig.clock.advance(MAX_AGE.saturating_sub(Duration::from_secs(1)));
        rig.open(&sealed).unwrap();
        rig.clock.advance(Duration::from_secs(2));
        let error = rig.open(&sealed).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        rig.clock.advance(Duration::from_secs(3 * 24 * 3600));
        assert!(rig.run(rig.resources.shred_due(rig.clock.unix_time() + 3600)).unwrap().is_empty());
        assert_eq!(rig.state(), "cmk-active");
        if let Some((away, path)) = moved {
            std::fs::rename(away, path).unwrap();
        }
        rig.customer.come_back();
        rig.clock.advance(REFRESHED);
        rig.open(&sealed).unwrap();
    }
}

/// 64 readers of open documents: each checks its lease, then reads. A withdrawn key stops them all within
/// one refresh, and whatever they read before is what was sealed.
#[test]
fn row_18_a_definite_refusal_stops_all_readers_within_one_refresh() {
    for rig in rigs() {
        let rig = rig.enabled();
        let sealed = rig.seal().unwrap();
        let readers: Vec<_> = (0..64).map(|_| rig.opener(&sealed).unwrap()).collect();
        let read = || {
            let reads = |opener: &&LeasedOpener| {
                opener.open_slice(&sealed).inspect(|text| assert_eq!(text, b"text")).is_ok()
            };
            readers.iter().filter(reads).count()
        };
        let mut tasks = crate::world::Tasks::new(&rig.clock);
        tasks.spawn(rig.resources.run());
        tasks.go(Duration::from_secs(17));
        assert_eq!(read(), 64);
        rig.owner().enable(&rig.cmk[0], false);
        let mut readable = Vec::new();
        for _second in 0..61 {
            tasks.go(Duration::from_secs(1));
            readable.push(read());
        }
        assert!(readable.iter().all(|count| *count == 64 || *count == 0), "{readable:?}");
        assert_eq!(readable.last(), Some(&0), "{readable:?}");
        assert_eq!(rig.state(), "denied");
        assert_eq!(rig.resources.stats().keys, 0);
        rig.owner().enable(&rig.cmk[0], true);
        rig.run(rig.resources.refresh(&rig.id)).unwrap();
        rig.open(&sealed).unwrap();
        assert_eq!(read(), 0, "those leases have ended");
    }
}

#[test]
fn row_19_shredding_is_chosen_and_final_and_blocking_can_be_undone() {
    for on_key_loss in [OnKeyLoss::Block, OnKeyLoss::CryptoShred { grace: 3600 }] {
        for rig in rigs() {
            now(rig.resources.enable_cmk(&rig.id, &EnableCmk { on_key_loss, ..rig.enable() }))
                .unwrap();
            let sealed = rig.seal().unwrap();
            rig.owner().delete(&rig.cmk[0]);
            rig.clock.advance(REFRESHED);
            assert!(rig.open(&sealed).is_err());
            let due = || rig.run(rig.resources.shred_due(rig.clock.unix_time()));
            rig.clock.advance(Duration::from_secs(3598));
            assert!(due().unwrap().is_empty());
            rig.clock.advance(Duration::from_secs(3));
            let shredded = due().unwrap();
            rig.owner().recover(&rig.cmk[0]);
            if on_key_loss == OnKeyLoss::Block {
                assert!(shredded.is_empty());
                rig.run(rig.resources.refresh(&rig.id)).unwrap();
                rig.open_in(&rig.restart(), &sealed).unwrap();
            } else {
                assert!(matches!(shredded.as_slice(), [(_, Ok(()))]), "{shredded:?}");
                assert!(rig.run(rig.resources.refresh(&rig.id)).is_err());
                let error = rig.open_in(&rig.restart(), &sealed).unwrap_err();
                assert!(matches!(error, Error::Shredded { .. }), "{error}");
            }
        }
    }
}
