//! The transitions of a resource: from one state to the next, and nothing else. Asking vaults comes before,
//! writing comes after, so that a crash leaves one state or the other.

use super::record::{Cmk, OnKeyLoss, Protection, Resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Cause, Error, NextStep};
use crate::id::{KeyKind, KeyLabel};
use crate::key_ring::{KeyRecord, Layer, WrappedBy};
use crate::vault::{DeniedReason, VersionedKeyId};

/// Most hour keys of one kind: of hours that are over, and of hours that are further ahead than so many.
pub(crate) const HOUR_KEYS_MAX: usize = 1024;

/// An event, with all that a vault had to be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    CmkEnabled {
        cmk: Cmk,
        root: KeyRecord,
        outside: Option<u64>,
    },
    /// The customer keys, wrapped by the service root.
    CmkDisabled {
        rewrapped: Vec<KeyRecord>,
    },
    RotationStarted {
        to: VersionedKeyId,
    },
    RotationAbandoned,
    Rotated {
        to: VersionedKeyId,
        thumbprint: Vec<u8>,
        root: KeyRecord,
    },
    /// All keys, under new roots.
    KeysReplaced {
        keys: Vec<KeyRecord>,
    },
    /// The service root under another version of the service key, or the same state signed under it.
    ServiceKeyRotated {
        root: Option<KeyRecord>,
    },
    HourKeyAdded {
        key: KeyRecord,
        now: u64,
    },
    StandInAdded {
        key: KeyRecord,
    },
    HoursEnded {
        now: u64,
    },
    Refused {
        key: VersionedKeyId,
        reason: DeniedReason,
        at: u64,
    },
    Revoked {
        at: u64,
    },
    IdentityDisabled {
        at: u64,
    },
    Moved {
        tenant: String,
        at: u64,
    },
    Refreshed {
        key: VersionedKeyId,
    },
    Deleted {
        at: u64,
        grace: u64,
    },
    Restored {
        at: u64,
    },
    Shredded {
        at: u64,
    },
    DocumentsMoved {
        count: u64,
    },
    /// The state of a store that was rolled back goes on, as the newest that is known was but for its keys.
    RolledForward {
        known: Box<Resource>,
        now: u64,
        /// True where the state was written from an older one by somebody else, who may have withdrawn access.
        written_on: bool,
    },
}

impl Event {
    /// Its name in the audit trail.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CmkEnabled { .. } => "enable-cmk",
            Self::CmkDisabled { .. } => "disable-cmk",
            Self::RotationStarted { .. } => "rotate-cmk-start",
            Self::RotationAbandoned => "rotate-cmk-abandon",
            Self::Rotated { .. } => "rotate-cmk",
            Self::KeysReplaced { .. } => "rotate-resource-key",
            Self::ServiceKeyRotated { .. } => "rotate-service-key",
            Self::HourKeyAdded { .. } => "add-hour-key",
            Self::StandInAdded { .. } => "add-stand-in-key",
            Self::HoursEnded { .. } => "destroy-hour-keys",
            Self::Refused { .. } => "deny",
            Self::Revoked { .. } => "revoke",
            Self::IdentityDisabled { .. } => "identity-disabled",
            Self::Moved { .. } => "move-to-tenant",
            Self::Refreshed { .. } => "refresh",
            Self::Deleted { .. } => "delete-resource",
            Self::Restored { .. } => "restore-resource",
            Self::Shredded { .. } => "shred",
            Self::DocumentsMoved { .. } => "documents-moved",
            Self::RolledForward { .. } => "restore-state",
        }
    }

    /// Data that another process needs to carry it out; `None` where it does more than withdraw access.
    pub(crate) fn detail(&self) -> Option<Value> {
        self.only_closes().then(|| serde_json::to_value(self).ok())?
    }

    /// The event of a [`detail`](Self::detail).
    pub(crate) fn of_detail(detail: &Value) -> Option<Self> {
        let event: Self = serde_json::from_value(detail.clone()).ok()?;
        event.only_closes().then_some(event)
    }

    /// True where it only withdraws access: that does not wait for the audit trail.
    pub(crate) fn only_closes(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Revoked { .. }
                | Self::IdentityDisabled { .. }
                | Self::Moved { .. }
                | Self::Deleted { .. }
        )
    }

    /// True where the state before holds keys that are destroyed now: none of it may stay.
    pub(crate) fn destroys_keys(&self) -> bool {
        matches!(self, Self::HoursEnded { .. } | Self::Shredded { .. } | Self::RolledForward { .. })
    }
}

/// The state after `event`. One that is equal to the state before says that nothing is to be done.
pub(crate) fn apply(before: &Resource, event: &Event) -> Result<Resource, Error> {
    let mut after = before.clone();
    match event {
        Event::CmkEnabled { cmk, root, outside } => enable(&mut after, cmk, root, *outside)?,
        Event::CmkDisabled { rewrapped } => disable(&mut after, rewrapped)?,
        Event::RotationStarted { to } => {
            let cmk = in_use(before, "rotate the customer-managed key")?.clone();
            after.protection = Protection::Rotating { cmk, to: to.clone() };
        }
        Event::RotationAbandoned => {
            if let Protection::Rotating { cmk, .. } = &before.protection {
                after.protection = Protection::CmkActive { cmk: cmk.clone() };
            }
        }
        Event::Rotated { to, thumbprint, root } => rotated(&mut after, to, thumbprint, root)?,
        Event::KeysReplaced { keys } => keys_replaced(&mut after, keys)?,
        Event::ServiceKeyRotated { root } => {
            if let Some(root) = root {
                replace(&mut after.keys, root);
            }
        }
        Event::HourKeyAdded { key, now } => add_hour(&mut after, key, *now)?,
        Event::StandInAdded { key } => add_key(&mut after, key)?,
        Event::HoursEnded { now } => {
            // Not what was over once by a clock that was wrong.
            after.hours_from = now / 3600;
            let from = after.hours_from;
            let over = |label: KeyLabel| label.kind == KeyKind::Hour && label.version <= from;
            after.keys.retain(|key| !over(key.label));
            if after.keys.len() == before.keys.len() {
                after.hours_from = before.hours_from; // nothing to destroy, nothing to write
            }
        }
        Event::Refused { key, reason, at } => refused(&mut after, key, *reason, *at),
        Event::Revoked { at } => {
            in_use_or_denied(before, "revoke the customer-managed key")?;
            deny(&mut after, Cause::Revoked, *at);
        }
        Event::IdentityDisabled { at } => {
            in_use_or_denied(before, "take note that the identity is disabled")?;
            deny(&mut after, Cause::IdentityDisabled, *at);
        }
        Event::Moved { tenant, at } => moved(&mut after, tenant, *at)?,
        Event::Refreshed { key } => refreshed(&mut after, key)?,
        Event::Deleted { at, grace } => deleted(&mut after, *at, *grace),
        Event::Restored { at } => restored(&mut after, *at)?,
        Event::Shredded { at } => shredded(&mut after, *at)?,
        Event::DocumentsMoved { count } => {
            after.outside_cmk = before.outside_cmk.map(|outside| outside.saturating_sub(*count));
        }
        Event::RolledForward { known, now, written_on } => {
            rolled_forward(&mut after, known, *now);
            if *written_on && before.check_access().is_err() && after.check_access().is_ok() {
                after.protection = before.protection.clone();
            }
        }
    }
    Ok(after)
}

fn enable(
    after: &mut Resource,
    cmk: &Cmk,
    root: &KeyRecord,
    outside: Option<u64>,
) -> Result<(), Error> {
    let operation = "enable a customer-managed key";
    if !matches!(after.protection, Protection::ServiceManaged) && !after.lost_its_customer_key() {
        return Err(wrong_state(after, operation));
    }
    // A key that was used before must not come back.
    let used = root.label.version <= after.customer_version;
    if used || root.epoch != after.epoch.saturating_add(1) {
        return Err(Error::Contended { resource: after.id.clone() });
    }
    after.epoch = root.epoch;
    after.customer_version = root.label.version;
    after.keys.push(root.clone());
    after.documents_before = outside;
    after.outside_cmk = outside;
    after.protection = Protection::CmkActive { cmk: cmk.clone() };
    Ok(())
}

fn disable(after: &mut Resource, rewrapped: &[KeyRecord]) -> Result<(), Error> {
    if !matches!(after.protection, Protection::CmkActive { .. }) {
        return Err(wrong_state(after, "disable the customer-managed key"));
    }
    for record in rewrapped {
        replace(&mut after.keys, record);
    }
    if after.root_of(Layer::Customer).is_some() {
        return Err(Error::Contended { resource: after.id.clone() });
    }
    after.documents_before = Some(0);
    after.outside_cmk = Some(0);
    after.protection = Protection::ServiceManaged;
    Ok(())
}

fn rotated(
    after: &mut Resource,
    to: &VersionedKeyId,
    thumbprint: &[u8],
    root: &KeyRecord,
) -> Result<(), Error> {
    let Protection::Rotating { cmk, to: started } = &after.protection else {
        return Err(wrong_state(after, "finish the rotation"));
    };
    let current = after.root(Layer::Customer)?;
    if started != to || (current.label, current.epoch) != (root.label, root.epoch) {
        return Err(Error::Contended { resource: after.id.clone() });
    }
    let cmk = Cmk { key: to.clone(), thumbprint: thumbprint.to_vec(), ..cmk.clone() };
    replace(&mut after.keys, root);
    after.protection = Protection::CmkActive { cmk };
    Ok(())
}

/// The keys come from a state that was read a while ago. Another writer may have added one since, which must
/// not be lost, or destroyed one, which must not come back.
fn keys_replaced(after: &mut Resource, keys: &[KeyRecord]) -> Result<(), Error> {
    after.check_access()?;
    let lost = after.keys.iter().any(|key| keys.iter().all(|new| new.label != key.label));
    let is_new_root = |key: &KeyRecord| matches!(key.by, WrappedBy::Vault(_));
    let back = keys.iter().any(|key| after.find(key.label).is_none() && !is_new_root(key));
    if lost || back {
        return Err(Error::Contended { resource: after.id.clone() });
    }
    after.customer_version = highest_customer_version(keys).max(after.customer_version);
    after.keys = keys.to_vec();
    Ok(())
}

/// Adds the key of an hour. Hours that come soon always get one; those that are over wait for the sweeper, and
/// those far ahead are bounded by themselves.
fn add_hour(after: &mut Resource, key: &KeyRecord, now: u64) -> Result<(), Error> {
    let (hour, most) = (now / 3600, HOUR_KEYS_MAX as u64);
    let is_over = |version: u64| version <= hour;
    let is_far = |version: u64| version > hour.saturating_add(most);
    let count = |is: &dyn Fn(u64) -> bool| {
        let hours = after.keys.iter().filter(|key| key.label.kind == KeyKind::Hour);
        hours.filter(|key| is(key.label.version)).count()
    };
    let id = &after.id;
    let is_new = after.find(key.label).is_none();
    if is_new && count(&is_over) >= HOUR_KEYS_MAX {
        let reason = format!(
            "the resource {id} has {HOUR_KEYS_MAX} keys of hours that are over: sweep them"
        );
        return Err(Error::Argument { reason });
    }
    if is_new && is_far(key.label.version) && count(&is_far) >= HOUR_KEYS_MAX {
        let reason = format!(
            "the resource {id} has keys for {HOUR_KEYS_MAX} hours further than {HOUR_KEYS_MAX} hours ahead: choose an \
             earlier expiry, or one of theirs"
        );
        return Err(Error::Argument { reason });
    }
    add_key(after, key)
}

/// Adds a key that the service root wraps.
fn add_key(after: &mut Resource, key: &KeyRecord) -> Result<(), Error> {
    after.check_access()?;
    if after.find(key.label).is_some() {
        return Ok(()); // another writer was first, and its key is the one
    }
    if Some(&key.by)
        != after.root_of(Layer::Service).map(|root| WrappedBy::Root(root.label)).as_ref()
    {
        return Err(Error::Contended { resource: after.id.clone() });
    }
    after.keys.push(key.clone());
    Ok(())
}

/// The vault's refusal counts for exactly the key that is in use.
fn refused(after: &mut Resource, key: &VersionedKeyId, reason: DeniedReason, at: u64) {
    if in_use(after, "").is_ok_and(|cmk| cmk.key == *key) {
        deny(after, Cause::Vault(reason), at);
    }
}

fn deny(after: &mut Resource, cause: Cause, at: u64) {
    let (Protection::CmkActive { cmk } | Protection::Rotating { cmk, .. }) = &after.protection
    else {
        return; // the first cause stays
    };
    let cmk = cmk.clone();
    after.protection = match cmk.on_key_loss {
        OnKeyLoss::CryptoShred { grace } if cause.is_key_loss() => Protection::ShredPending {
            due: at.saturating_add(grace),
            cmk: Some(cmk),
            cause,
            since: at,
        },
        _ => Protection::Denied { cmk, cause, since: at },
    };
}

fn moved(after: &mut Resource, tenant: &str, at: u64) -> Result<(), Error> {
    match &after.protection {
        Protection::Shredded { .. } => return Err(wrong_state(after, "move the resource")),
        // No key of a customer is involved: it simply belongs to another tenant from now on.
        other if other.cmk().is_none() => tenant.clone_into(&mut after.tenant),
        _ => {
            after.moved_to = (after.tenant != tenant).then(|| tenant.to_owned());
            if after.moved_to.is_some() {
                deny(after, Cause::OtherTenant, at);
            }
        }
    }
    Ok(())
}

fn refreshed(after: &mut Resource, key: &VersionedKeyId) -> Result<(), Error> {
    let cmk = match &after.protection {
        Protection::Denied { cmk, .. } => cmk,
        Protection::ShredPending { cmk: Some(cmk), cause, .. } if cause.is_key_loss() => cmk,
        Protection::CmkActive { .. } | Protection::Rotating { .. } => return Ok(()),
        _ => return Err(wrong_state(after, "refresh the customer-managed key")),
    };
    if after.moved_to.is_some() {
        let since = match &after.protection {
            Protection::Denied { since, .. } | Protection::ShredPending { since, .. } => *since,
            _ => 0,
        };
        let (resource, cause) = (after.id.clone(), Cause::OtherTenant);
        return Err(Error::Denied { resource, cause, since });
    }
    if cmk.key != *key {
        return Err(Error::Contended { resource: after.id.clone() });
    }
    after.protection = Protection::CmkActive { cmk: cmk.clone() };
    Ok(())
}

fn deleted(after: &mut Resource, at: u64, grace: u64) {
    let (since, due) = match &after.protection {
        Protection::Shredded { .. }
        | Protection::ShredPending { cause: Cause::ResourceDeleted, .. } => return,
        // What is due earlier stays so.
        Protection::ShredPending { due, .. } => (at, (*due).min(at.saturating_add(grace))),
        _ => (at, at.saturating_add(grace)),
    };
    let (cmk, cause) = (after.protection.cmk().cloned(), Cause::ResourceDeleted);
    after.protection = Protection::ShredPending { cmk, cause, since, due };
}

fn restored(after: &mut Resource, at: u64) -> Result<(), Error> {
    let Protection::ShredPending { cmk, cause: Cause::ResourceDeleted, .. } = &after.protection
    else {
        return Err(wrong_state(after, "restore the resource"));
    };
    after.protection = match cmk.clone() {
        None => Protection::ServiceManaged,
        // Whether the customer still allows it is for a refresh to find out.
        Some(cmk) => Protection::Denied { cmk, cause: Cause::Revoked, since: at },
    };
    Ok(())
}

fn shredded(after: &mut Resource, at: u64) -> Result<(), Error> {
    match &after.protection {
        Protection::Shredded { .. } => return Ok(()),
        Protection::ShredPending { due, .. } if *due <= at => {}
        _ => return Err(wrong_state(after, "shred the resource")),
    }
    after.keys.clear();
    after.protection = Protection::Shredded { since: at };
    Ok(())
}

/// Goes on from an older state, with the keys that it has. What was withdrawn since is so again, and what was
/// destroyed: keys of hours that are over, and all of a resource that was shredded.
fn rolled_forward(after: &mut Resource, known: &Resource, now: u64) {
    let keys_of = after.root_of(Layer::Customer).is_some().then_some(after.epoch);
    let has_its_keys = keys_of == Some(known.epoch);
    let older = after.protection.clone();
    after.protection = match &known.protection {
        // The older state's key wraps what it has; a rotation since is to be done again.
        Protection::CmkActive { .. } | Protection::Rotating { .. } => match older {
            Protection::CmkActive { cmk } | Protection::Rotating { cmk, .. } if has_its_keys => {
                Protection::CmkActive { cmk }
            }
            Protection::Denied { cmk, .. } | Protection::ShredPending { cmk: Some(cmk), .. }
                if has_its_keys =>
            {
                Protection::CmkActive { cmk }
            }
            // It was enabled since, and its customer key is lost: closed until somebody says what to do.
            _ => match known.protection.cmk().cloned() {
                Some(cmk) => Protection::Denied { cmk, cause: Cause::Revoked, since: now },
                None => Protection::ServiceManaged,
            },
        },
        Protection::Denied { cmk, cause, since } => Protection::Denied {
            cmk: older.cmk().filter(|_| has_its_keys).unwrap_or(cmk).clone(),
            cause: *cause,
            since: *since,
        },
        Protection::ShredPending { cmk, cause, since, due } => Protection::ShredPending {
            cmk: older.cmk().filter(|_| has_its_keys).or(cmk.as_ref()).cloned(),
            cause: *cause,
            since: *since,
            due: *due,
        },
        // The customer agreed to that by a key which the older state does not have unwrapped.
        Protection::ServiceManaged => match older {
            Protection::CmkActive { .. } | Protection::Rotating { .. } => older,
            _ if keys_of.is_some() => older,
            _ => Protection::ServiceManaged,
        },
        Protection::Shredded { since } => {
            after.keys.clear();
            Protection::Shredded { since: *since }
        }
    };
    after.tenant.clone_from(&known.tenant);
    after.moved_to.clone_from(&known.moved_to);
    after.epoch = after.epoch.max(known.epoch);
    after.customer_version = after.customer_version.max(known.customer_version);
    // What was swept since is so again, and what is over by now.
    let swept = if after.hours_from == known.hours_from { 0 } else { known.hours_from };
    after.hours_from = known.hours_from;
    let from = swept.max(now / 3600);
    after.keys.retain(|key| key.label.kind != KeyKind::Hour || key.label.version > from);
    after.outside_cmk = None;
}

/// The customer's key while it is in use.
fn in_use<'r>(resource: &'r Resource, operation: &'static str) -> Result<&'r Cmk, Error> {
    match &resource.protection {
        Protection::CmkActive { cmk } | Protection::Rotating { cmk, .. } => Ok(cmk),
        _ => Err(wrong_state(resource, operation)),
    }
}

fn in_use_or_denied(resource: &Resource, operation: &'static str) -> Result<(), Error> {
    match &resource.protection {
        Protection::Denied { .. } | Protection::ShredPending { cmk: Some(_), .. } => Ok(()),
        _ => in_use(resource, operation).map(|_| ()),
    }
}

fn highest_customer_version(keys: &[KeyRecord]) -> u64 {
    let customer = keys.iter().filter(|key| key.label.kind == KeyKind::Customer);
    customer.map(|key| key.label.version).max().unwrap_or(0)
}

fn replace(keys: &mut [KeyRecord], record: &KeyRecord) {
    for key in keys.iter_mut().filter(|key| key.label == record.label) {
        key.clone_from(record);
    }
}

/// The error for `operation` in a state that does not take it, with the step that leads out of it.
pub(crate) fn wrong_state(resource: &Resource, operation: &'static str) -> Error {
    if let Protection::Denied { cause, since, .. } = &resource.protection {
        let (resource, cause, since) = (resource.id.clone(), *cause, *since);
        return Error::Denied { resource, cause, since };
    }
    let next = match &resource.protection {
        Protection::ServiceManaged => NextStep::EnableCmk,
        Protection::CmkActive { .. } => NextStep::DisableCmk,
        Protection::Rotating { cmk, to } => {
            NextStep::FinishRotation { from: cmk.key.clone(), to: to.clone() }
        }
        Protection::ShredPending { cause: Cause::ResourceDeleted, .. } => NextStep::Restore,
        Protection::Denied { .. } | Protection::ShredPending { .. } => NextStep::Refresh,
        Protection::Shredded { .. } => NextStep::CreateAnother,
    };
    let (state, resource) = (resource.protection.name(), resource.id.clone());
    Error::WrongState { resource, state, operation, next: Box::new(next) }
}

#[cfg(test)]
mod tests;
