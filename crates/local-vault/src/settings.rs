//! Settings of the whole vault: purge protection, the passphrase, and the grants of identities.

use std::collections::BTreeMap;

use super::error::LocalVaultError;
use super::files;
use super::identities::{Grants, Identities};
use super::key_id;
use super::record::Act;
use super::vault::LocalVault;
use strongroom_vault::{Operation, Operations, Place, RecoveryLevel};

/// Settings of the whole vault.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// assert!(!vault.settings()?.recovery_level.is_protected());
/// vault.protect_from_purge()?;
/// assert!(vault.settings()?.recovery_level.is_protected());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSettings {
    /// True where a deleted key is kept for the retention time.
    pub purge_protection: bool,
    /// The retention time in days.
    pub retention_days: u32,
    /// Recovery level that follows from both, as in each key's description.
    pub recovery_level: RecoveryLevel,
    /// True where the vault has a passphrase.
    pub has_passphrase: bool,
    /// The tenant and region that the vault stands for.
    pub place: Place,
}

impl LocalVault {
    /// Settings of the whole vault at the moment.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Missing`], [`LocalVaultError::Damaged`] or [`LocalVaultError::Io`] when the vault
    /// cannot be read.
    pub fn settings(&self) -> Result<VaultSettings, LocalVaultError> {
        let manifest = self.0.manifest()?;
        Ok(VaultSettings {
            purge_protection: manifest.purge_protection,
            retention_days: manifest.retention_days,
            recovery_level: manifest.recovery_level(),
            has_passphrase: manifest.passphrase.is_some(),
            place: manifest.place,
        })
    }

    /// Turns purge protection on, for ever: from now on a deleted key cannot be purged before its
    /// retention time is over, keys that are deleted already among them.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Missing`], [`LocalVaultError::Damaged`] or [`LocalVaultError::Io`] when the vault
    /// cannot be changed.
    pub fn protect_from_purge(&self) -> Result<(), LocalVaultError> {
        self.0.administer(Act::new("protect-from-purge", None), |locked, act| {
            locked.manifest.purge_protection = true;
            locked.write_manifest(act)
        })
    }

    /// Changes the tenant and region that the vault stands for. A resource is compared with them when it comes under a
    /// key of the vault, or goes over to another: those that are under one stay so. Handles that are open keep the
    /// place that they were opened with.
    ///
    /// # Errors
    ///
    /// As [`LocalVault::protect_from_purge`].
    pub fn set_place(&self, place: Place) -> Result<(), LocalVaultError> {
        self.0.administer(Act::new("set-place", None), |locked, act| {
            locked.manifest.place = place;
            locked.write_manifest(act)
        })
    }

    /// Lets `identity` do just `operations`, with the key `key` or with every key: it replaces what was
    /// granted there before, and no operations take it away. The identity is known from now on. Returns all that
    /// it is granted then.
    ///
    /// What is granted on every key and what is granted on a single one add up, as the roles of Azure do: taking
    /// the one away leaves the other. [`Grants::of_key`] says what comes of both, and
    /// [`LocalVault::revoke`] takes everything away.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Setting`] where the identity is not 1 to 127 visible ASCII characters;
    /// [`LocalVaultError::Name`] where the key's name cannot be one (the key itself need not be there
    /// yet); and those of [`LocalVault::protect_from_purge`].
    pub fn grant(
        &self,
        identity: &str,
        key: Option<&str>,
        operations: Operations,
    ) -> Result<Grants, LocalVaultError> {
        let key = key.map(key_id::key_name).transpose()?;
        let visible = identity.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=127).contains(&identity.len()) {
            let (what, reason) = ("the identity", "give 1 to 127 visible ASCII characters");
            return Err(LocalVaultError::Setting { what, reason });
        }
        let names = Vec::from(operations).into_iter().map(Operation::name).collect::<Vec<_>>();
        let what = if names.is_empty() { "none".to_owned() } else { names.join(",") };
        let operation = format!("grant {what}");
        let act = Act::new(&operation, key.as_ref()).of_identity(identity);
        self.change_identities(act, |identities, act| {
            let grants = identities.entry(identity.to_owned()).or_default();
            let before = match &key {
                None => grants.every_key,
                Some(key) => grants.keys.get(key).copied().unwrap_or_default(),
            };
            act.takes_away(before.union(operations) == before);
            match key {
                None => grants.every_key = operations,
                Some(key) if operations == Operations::default() => drop(grants.keys.remove(&key)),
                Some(key) => drop(grants.keys.insert(key, operations)),
            }
            Ok(grants.clone())
        })
    }

    /// Enables or disables `identity`: a disabled one is as unknown, and keeps its grants, which are returned.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Identity`] where it is not known, and those of
    /// [`LocalVault::protect_from_purge`].
    pub fn set_identity_enabled(
        &self,
        identity: &str,
        enabled: bool,
    ) -> Result<Grants, LocalVaultError> {
        let operation = if enabled { "enable-identity" } else { "disable-identity" };
        let act = Act::new(operation, None).of_identity(identity).taking_away_if(!enabled);
        self.change_identities(act, |identities, _| {
            let grants = identities.get_mut(identity).ok_or_else(|| self.unknown(identity))?;
            grants.enabled = enabled;
            Ok(grants.clone())
        })
    }

    /// Takes away all that `identity` was granted, on every key and on single ones. It stays known: what it asks
    /// for is refused for a missing permission, which ends its access at once, where a vault that does not know
    /// who asks may be somebody's mistake.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Identity`] where it is not known, and those of
    /// [`LocalVault::protect_from_purge`].
    pub fn revoke(&self, identity: &str) -> Result<Grants, LocalVaultError> {
        let act = Act::new("revoke", None).of_identity(identity).taking_away();
        self.change_identities(act, |identities, _| {
            let grants = identities.get_mut(identity).ok_or_else(|| self.unknown(identity))?;
            (grants.every_key, grants.keys) = (Operations::default(), BTreeMap::new());
            Ok(grants.clone())
        })
    }

    /// Forgets `identity` and all that it was granted.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Identity`] where it is not known, and those of
    /// [`LocalVault::protect_from_purge`].
    pub fn remove_identity(&self, identity: &str) -> Result<(), LocalVaultError> {
        let act = Act::new("remove-identity", None).of_identity(identity).taking_away();
        self.change_identities(act, |identities, _| {
            identities.remove(identity).map(drop).ok_or_else(|| self.unknown(identity))
        })
    }

    /// Identities known to the vault, each with its grants.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::settings`].
    pub fn identities(&self) -> Result<BTreeMap<String, Grants>, LocalVaultError> {
        self.0.manifest()?;
        Ok(Identities::read(&self.0)?.identities)
    }

    fn change_identities<T>(
        &self,
        act: Act,
        change: impl FnOnce(&mut BTreeMap<String, Grants>, &mut Act) -> Result<T, LocalVaultError>,
    ) -> Result<T, LocalVaultError> {
        self.0.administer(act, |locked, act| {
            let store = locked.store;
            let mut identities = Identities::read(store)?;
            let changed = change(&mut identities.identities, act)?;
            let contents = identities.encode(&store.id, &store.keyring)?;
            locked.before_the_last_step(act)?;
            files::replace(&store.path, store.layout.identities(), &contents)?;
            Ok(changed)
        })
    }

    fn unknown(&self, identity: &str) -> LocalVaultError {
        LocalVaultError::Identity { vault: self.0.path.clone(), identity: identity.to_owned() }
    }
}
