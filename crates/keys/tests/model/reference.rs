//! A resource as its documentation describes it, in plain words: what each operation leads to when every
//! answer comes. It knows nothing of keys, caches or stores.

pub use strongroom_keys::resource::Cause;
use strongroom_keys::resource::{OnKeyLoss, Protection, Scope, Status};
use strongroom_keys::testing::Operation;
use strongroom_keys::vault::DeniedReason;

use crate::acts::Act;
use crate::copies::KEYS;
use crate::world::TENANT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Managed,
    Active,
    Rotating(usize),
    Denied(Cause),
    Pending(Cause),
    Shredded,
}

/// A resource, as far as the model tells states apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub kind: Kind,
    /// The customer's key, and how it was enabled.
    pub cmk: Option<Cmk>,
    pub epoch: u64,
    /// True where its own tenant is the one of the customer's vault.
    pub home: bool,
    pub moved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cmk {
    pub key: usize,
    pub all: bool,
    pub shred: bool,
}

/// Deadlines after which keys are destroyed, where they have passed.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// By the earliest of what was said.
    pub now: bool,
    /// By the deletion alone, whatever else was said before it.
    pub deletion_is_over: bool,
}

/// Event that takes access away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    Denied(Cause),
    Moved { away: bool },
    Deleted,
}

/// State of a key in the customer's vault.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub made: bool,
    pub enabled: bool,
    pub deleted: bool,
    pub granted: [bool; 3],
}

impl Key {
    pub const FINE: Self = Self { made: true, enabled: true, deleted: false, granted: [true; 3] };

    pub fn refusal(self, operation: Operation) -> Option<DeniedReason> {
        if self.deleted || !self.made {
            Some(DeniedReason::KeyMissing)
        } else if !self.granted[operation as usize] {
            Some(DeniedReason::Permission)
        } else if operation != Operation::Get && !self.enabled {
            Some(DeniedReason::KeyDisabled)
        } else {
            None
        }
    }

    /// True where it can become a resource's key.
    pub fn is_fit(self) -> bool {
        self.enabled && Operation::ALL.iter().all(|one| self.refusal(*one).is_none())
    }
}

impl State {
    pub const NEW: Self =
        Self { kind: Kind::Managed, cmk: None, epoch: 0, home: true, moved: false };

    /// The state as the resource reports it.
    pub fn observed(status: &Status, key_index: impl Fn(&str) -> usize) -> Self {
        let kind = match &status.protection {
            Protection::ServiceManaged => Kind::Managed,
            Protection::CmkActive { .. } => Kind::Active,
            Protection::Rotating { to, .. } => Kind::Rotating(key_index(&to.to_string())),
            Protection::Denied { cause, .. } => Kind::Denied(*cause),
            Protection::ShredPending { cause, .. } => Kind::Pending(*cause),
            _ => Kind::Shredded,
        };
        let cmk = status.cmk.as_ref().map(|cmk| Cmk {
            key: key_index(&cmk.key.to_string()),
            all: cmk.scope == Scope::ModelsAndResults,
            shred: cmk.on_key_loss != OnKeyLoss::Block,
        });
        let (home, moved) = (status.tenant == TENANT, status.moved_to.is_some());
        Self { kind, cmk, epoch: status.epoch, home, moved }
    }

    /// Its name in the tally.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Rotating(_) => "Rotating".to_owned(),
            kind => format!("{kind:?}"),
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.kind, Kind::Managed | Kind::Active | Kind::Rotating(_))
    }

    pub fn in_use(&self) -> bool {
        matches!(self.kind, Kind::Active | Kind::Rotating(_))
    }

    /// After access is withdrawn; the first cause stays.
    pub fn denied(self, cause: Cause) -> Self {
        if !self.in_use() {
            return self;
        }
        let shred = cause.is_key_loss() && self.cmk.is_some_and(|cmk| cmk.shred);
        Self { kind: if shred { Kind::Pending(cause) } else { Kind::Denied(cause) }, ..self }
    }

    /// After something took access away; shredded is for good.
    pub fn closed_by(self, closing: Closing) -> Self {
        match (closing, self.kind, self.cmk) {
            (_, Kind::Shredded, _) => self,
            (Closing::Denied(cause), ..) => self.denied(cause),
            (Closing::Deleted, ..) => Self { kind: Kind::Pending(Cause::ResourceDeleted), ..self },
            (Closing::Moved { away }, _, None) => Self { home: !away, moved: false, ..self },
            (Closing::Moved { away: true }, ..) => {
                Self { moved: true, ..self }.denied(Cause::OtherTenant)
            }
            (Closing::Moved { away: false }, ..) => Self { moved: false, ..self },
        }
    }

    /// After the vault was asked to unwrap with the key in use, if that is what it says now.
    fn asked(self, keys: &[Key; KEYS]) -> Result<Self, Self> {
        let key = self.cmk.filter(|_| self.in_use()).map(|cmk| keys[cmk.key]);
        match key.and_then(|key| key.refusal(Operation::UnwrapKey)) {
            Some(reason) => Err(self.denied(Cause::Vault(reason))),
            None => Ok(self),
        }
    }

    /// The state after `act` when everybody answers: `Ok` where it is done, `Err` where it is refused.
    /// Sealing and opening may be served from memory, which the caller must know.
    pub fn after(self, act: &Act, keys: &[Key; KEYS], due: Due) -> Result<Self, Self> {
        match act {
            Act::Seal { .. } | Act::Open(_) => {
                if self.is_open() {
                    self.asked(keys)
                } else {
                    Err(self)
                }
            }
            Act::Enable { key, all, shred, .. } => {
                let cmk = Cmk { key: *key, all: *all, shred: *shred };
                match self.kind {
                    Kind::Managed if self.home && keys[*key].is_fit() => {
                        let epoch = self.epoch + 1;
                        Ok(Self { kind: Kind::Active, cmk: Some(cmk), epoch, ..self })
                    }
                    Kind::Active if self.cmk == Some(cmk) => Ok(self),
                    _ => Err(self),
                }
            }
            Act::Disable => match self.kind {
                Kind::Managed => Ok(self),
                Kind::Active => {
                    self.asked(keys).map(|_| Self { kind: Kind::Managed, cmk: None, ..self })
                }
                _ => Err(self),
            },
            Act::Rotate { to, .. } => self.rotated(*to, keys),
            Act::RotateResourceKey => match (self.kind, self.cmk) {
                (Kind::Managed, _) => Ok(self),
                (Kind::Active, Some(cmk)) => {
                    self.asked(keys)?;
                    if keys[cmk.key].is_fit() { Ok(self) } else { Err(self) }
                }
                _ => Err(self),
            },
            Act::Revoke => self.closed(Cause::Revoked),
            Act::IdentityDisabled => self.closed(Cause::IdentityDisabled),
            Act::Move { .. } if self.kind == Kind::Shredded => Err(self),
            Act::Move { away } => Ok(self.closed_by(Closing::Moved { away: *away })),
            Act::Refresh => match self.kind {
                Kind::Managed => Ok(self),
                Kind::Active | Kind::Rotating(_) => self.asked(keys),
                Kind::Pending(Cause::ResourceDeleted) | Kind::Shredded => Err(self),
                Kind::Denied(_) | Kind::Pending(_) => {
                    let active = Self { kind: Kind::Active, ..self };
                    let back = !self.moved && active.asked(keys).is_ok();
                    if back { Ok(active) } else { Err(self) }
                }
            },
            Act::Delete => Ok(self.closed_by(Closing::Deleted)),
            Act::Restore => match (self.kind, self.cmk) {
                (Kind::Pending(Cause::ResourceDeleted), None) => {
                    Ok(Self { kind: Kind::Managed, ..self })
                }
                (Kind::Pending(Cause::ResourceDeleted), Some(_)) => {
                    Ok(Self { kind: Kind::Denied(Cause::Revoked), ..self })
                }
                _ => Err(self),
            },
            Act::ShredDue => match self.kind {
                Kind::Pending(cause) if due.now => {
                    let lost = Self { kind: Kind::Active, ..self }.asked(keys).is_err();
                    let deleted = cause == Cause::ResourceDeleted;
                    if lost || deleted && due.deletion_is_over {
                        Ok(Self { kind: Kind::Shredded, cmk: None, ..self })
                    } else if deleted {
                        Ok(self)
                    } else {
                        Err(self)
                    }
                }
                _ => Ok(self),
            },
            Act::CreateAgain => Err(self),
            _ => Ok(self),
        }
    }

    fn closed(self, cause: Cause) -> Result<Self, Self> {
        match self.kind {
            Kind::Shredded => Err(self),
            _ if self.cmk.is_none() => Err(self),
            _ => Ok(self.denied(cause)),
        }
    }

    /// Described first, then the old key, then the new one: only when all went well does it switch.
    fn rotated(self, to: usize, keys: &[Key; KEYS]) -> Result<Self, Self> {
        let (true, Some(cmk)) = (self.in_use(), self.cmk) else { return Err(self) };
        let active = Self { kind: Kind::Active, ..self };
        if cmk.key == to {
            return Ok(active);
        }
        if keys[to].refusal(Operation::Get).is_some() || !keys[to].enabled {
            return Err(active);
        }
        active.asked(keys)?;
        if !keys[to].is_fit() {
            return Err(active);
        }
        Ok(Self { cmk: Some(Cmk { key: to, ..cmk }), ..active })
    }
}
