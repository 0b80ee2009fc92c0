//! Eligibility of resources, keys and vaults.

use strongroom_keys::Error;
use strongroom_keys::resource::{EnableCmk, Ineligible, NewResource, ResourceId};
use strongroom_keys::testing::Operation;
use strongroom_keys::vault::{KeyType, RecoveryLevel, Vault, VersionedKeyId};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{InitOptions, KeyKind, KeyOptions};

use crate::rig::{Owner, Rig, rigs};
use crate::world::{IDENTITY, new_resource, now};

fn refused(rig: &Rig, name: &str, change: impl FnOnce(&mut NewResource)) -> Option<Ineligible> {
    let mut new = new_resource(&ResourceId::new(name).unwrap());
    change(&mut new);
    let id = new.id.clone();
    now(rig.resources.create(new)).unwrap();
    match now(rig.resources.enable_cmk(&id, &rig.enable())) {
        Ok(()) => None,
        Err(Error::NotEligible { reason, .. }) => {
            assert_eq!(
                now(rig.resources.status(&id)).unwrap().protection.name(),
                "service-managed"
            );
            Some(reason)
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn row_03_service_keys_need_no_vault_of_a_customer() {
    for rig in rigs() {
        rig.customer.always(strongroom_keys::testing::Fault::Hang);
        let sealed = rig.seal().unwrap();
        rig.open_in(&rig.restart(), &sealed).unwrap();
        assert_eq!(Operation::ALL.map(|one| rig.customer.calls(one)), [0; 3]);
    }
}

#[test]
fn row_04_the_tier_decides() {
    for rig in rigs() {
        let reason = refused(&rig, "free", |new| new.cmk_allowed = false);
        assert_eq!(reason, Some(Ineligible::Tier));
        assert_eq!(refused(&rig, "standard", |new| new.cmk_allowed = true), None);
    }
}

#[test]
fn row_08_region_and_tenant_are_the_vaults() {
    for rig in rigs() {
        let reason = refused(&rig, "a", |new| new.tenant = "fabrikam".into());
        assert!(matches!(reason, Some(Ineligible::Tenant { .. })));
        let reason = refused(&rig, "b", |new| new.region = "eastus".into());
        assert!(matches!(reason, Some(Ineligible::Region { .. })));
        assert_eq!(refused(&rig, "c", |_| {}), None);
    }
}

#[test]
fn row_11_the_identity_is_recorded() {
    for rig in rigs() {
        let nobody = EnableCmk { identity: String::new(), ..rig.enable() };
        let error = now(rig.resources.enable_cmk(&rig.id, &nobody)).unwrap_err();
        assert!(matches!(error, Error::NotEligible { reason: Ineligible::Identity, .. }));
        let rig = rig.enabled();
        let cmk = now(rig.restart().status(&rig.id)).unwrap().cmk.unwrap();
        assert_eq!(cmk.identity, IDENTITY);
    }
}

#[test]
fn row_14_keys_are_named_with_their_version() {
    for bad in ["documents", "memory/customer/documents/", "memory/customer/../1", "a/b/c d", "//1"]
    {
        assert!(VersionedKeyId::parse(bad).is_err(), "{bad}");
    }
    for rig in rigs() {
        let rig = rig.enabled();
        let recorded = |rig: &Rig| now(rig.restart().status(&rig.id)).unwrap().cmk.unwrap().key;
        assert_eq!(recorded(&rig), rig.cmk[0]);
        let sealed = rig.seal().unwrap();
        now(rig.resources.rotate_cmk(&rig.id, &rig.cmk[1])).unwrap();
        assert_eq!(recorded(&rig), rig.cmk[1]);
        rig.open_in(&rig.restart(), &sealed).unwrap();
        for recipient in strongroom::document::Header::parse(&sealed).unwrap().recipients() {
            let id = recipient.key_id().as_str();
            let version = id.rsplit('/').next().unwrap();
            assert!(version.parse::<u64>().is_ok(), "{id}");
        }
    }
}

fn unsuitable(rig: &Rig) -> String {
    let changes = rig.store.changes();
    let error = now(rig.resources.enable_cmk(&rig.id, &rig.enable())).unwrap_err();
    assert!(matches!(error, Error::UnsuitableKey { .. }), "{error}");
    assert_eq!((rig.state(), rig.store.changes()), ("service-managed", changes));
    error.to_string()
}

#[test]
fn row_15_soft_delete_and_purge_protection_are_required() {
    for rig in rigs() {
        let Owner::Memory(vault) = rig.owner() else {
            rig.enabled(); // a protected one will do
            continue;
        };
        for level in [None, Some("Purgeable"), Some("Recoverable+Purgeable"), Some("")] {
            vault.change(&rig.cmk[0], |key| key.recovery_level = level.map(RecoveryLevel::new));
            assert!(unsuitable(&rig).contains("purge"), "{level:?}");
        }
        vault.change(&rig.cmk[0], |key| {
            key.recovery_level = Some(RecoveryLevel::new("Recoverable+ProtectedSubscription"));
        });
        rig.enabled();
    }
    // A local vault says just that of itself, and is believed once it is protected.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let vault = LocalVault::init_with(&path, InitOptions::default()).unwrap();
    let key = VersionedKeyId::try_from(&vault.create("documents").unwrap()).unwrap();
    let protected = || {
        let description = futures_lite::future::block_on(vault.describe(&key)).unwrap();
        description.recovery_level.unwrap().is_protected()
    };
    assert!(!protected());
    vault.protect_from_purge().unwrap();
    assert!(protected());
}

#[test]
fn row_16_rsa_2048_only() {
    for rig in rigs() {
        match rig.owner() {
            Owner::Memory(vault) => {
                for bits in [1024, 2047, 3072, 4096] {
                    vault.change(&rig.cmk[0], |key| key.bits = bits);
                    assert!(unsuitable(&rig).contains(&bits.to_string()));
                }
                vault.change(&rig.cmk[0], |key| (key.bits, key.key_type) = (2048, KeyType::Oct));
                assert!(unsuitable(&rig).contains("RSA"));
            }
            Owner::Local(vault) => {
                let options = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
                let aes = vault.create_with("aes", options).unwrap();
                let with = EnableCmk::new(VersionedKeyId::try_from(&aes).unwrap(), IDENTITY);
                let error = now(rig.resources.enable_cmk(&rig.id, &with)).unwrap_err();
                assert!(error.to_string().contains("RSA"), "{error}");
                let only = [Operation::WrapKey];
                let options = KeyOptions { operations: only.into(), ..KeyOptions::default() };
                let wraps = vault.create_with("wraps", options).unwrap();
                let with = EnableCmk::new(VersionedKeyId::try_from(&wraps).unwrap(), IDENTITY);
                let error = now(rig.resources.enable_cmk(&rig.id, &with)).unwrap_err();
                assert!(error.to_string().contains("unwrapKey"), "{error}");
            }
        }
    }
}

/// Out of its time a key is not chosen, and one in use goes on unwrapping.
#[test]
fn row_16_dates_keep_a_key_from_wrapping_only() {
    for rig in rigs() {
        let later = Some(u64::MAX / 2);
        for (not_before, expires) in [(later, None), (None, Some(1))] {
            rig.owner().dates(&rig.cmk[0], not_before, expires);
            assert!(now(rig.resources.enable_cmk(&rig.id, &rig.enable())).is_err());
        }
        rig.owner().dates(&rig.cmk[0], None, None);
        let rig = rig.enabled();
        let sealed = rig.seal().unwrap();
        rig.owner().dates(&rig.cmk[0], None, Some(1));
        rig.open_in(&rig.restart(), &sealed).unwrap();
    }
}

#[test]
fn row_26_only_resources_from_2020_05_11_on() {
    for rig in rigs() {
        let at = 1_589_155_199;
        let reason = refused(&rig, "before", |new| new.created_at = Some(at));
        assert_eq!(reason, Some(Ineligible::Created { at }));
        assert_eq!(refused(&rig, "first", |new| new.created_at = Some(at + 1)), None);
    }
}
