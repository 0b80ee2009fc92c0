//! Content of a vault's directory, for readers. They need no lock: every file appears whole, private keys
//! never change, and attributes list a version only once its files are there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom::rsa::{PrivateKey, PublicKey};
use strongroom::secret::{Secret, SecretVec};
use zeroize::Zeroizing;

use super::attributes::{self, ATTRIBUTES, Attributes, VersionAttributes};
use super::error::LocalVaultError;
use super::files::{self, LONGEST_KEY};
use super::id::{VaultId, VersionId};
use super::key_id::LocalKeyId;
use super::keyring::{Keyring, PassphraseLock};
use super::manifest::{Layout, MANIFEST, Manifest};
use super::options::{KeyKind, LockWait};
use super::trail::VaultTrail;
use strongroom_vault::clock::Clock;
use strongroom_vault::{KeyName, Place};

/// Number of attempts of a reader that met other files than its attributes list: a key may have been purged
/// and made anew in between.
const READ_ATTEMPTS: u32 = 4;

/// An opened vault.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) path: PathBuf,
    pub(super) id: VaultId,
    /// The first part of the keys' ids.
    pub(super) prefix: String,
    pub(super) place: Place,
    pub(super) layout: Layout,
    pub(super) keyring: Keyring,
    /// The lock that the passphrase of this handle opens.
    pub(super) lock: Option<PassphraseLock>,
    pub(super) trail: VaultTrail,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lock_wait: LockWait,
}

/// A private key, or an AES key.
pub(super) enum Material {
    Rsa(Box<PrivateKey>),
    Oct(Secret<32>),
}

impl Store {
    /// The manifest as it is now. It also distinguishes a missing key from a missing
    /// vault: a disk that is not mounted must never look like a deleted key.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Missing`], [`LocalVaultError::Damaged`], [`LocalVaultError::Format`],
    /// [`LocalVaultError::Exposed`], [`LocalVaultError::Io`].
    pub(super) fn manifest(&self) -> Result<Manifest, LocalVaultError> {
        let Some((mut manifest, _)) = Manifest::read(&self.path)? else {
            return Err(LocalVaultError::Missing { path: self.path.clone() });
        };
        manifest.authenticate(&self.path, &self.id, &self.keyring)?;
        // Also where a passphrase was set and removed again: the keys are other files since.
        if manifest.layout == self.layout {
            Ok(manifest)
        } else {
            Err(LocalVaultError::PassphraseChanged { path: self.path.clone() })
        }
    }

    /// The directory that has one for each key.
    pub(super) fn keys(&self) -> PathBuf {
        self.path.join(self.layout.keys())
    }

    /// The directory of the key `name`.
    pub(super) fn directory(&self, name: &KeyName) -> PathBuf {
        self.keys().join(name.as_str())
    }

    /// The id of a version of this vault.
    pub(super) fn key_id(&self, name: &KeyName, version: VersionId) -> LocalKeyId {
        LocalKeyId::new(self.id.clone(), name.clone(), version)
    }

    /// The attributes of the key `name`, deleted or not; `None` where the key does not exist. The manifest was read
    /// before: a key is not missing where the vault is.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`], [`LocalVaultError::Exposed`], [`LocalVaultError::Io`]: also where
    /// the directory of all keys is gone, which says nothing about a single one.
    pub(super) fn attributes(
        &self,
        _: &Manifest,
        name: &KeyName,
    ) -> Result<Option<Attributes>, LocalVaultError> {
        let found = self.find_attributes(name);
        // A key is not missing where the vault went over to other files meanwhile.
        if !matches!(found, Ok(Some(_))) {
            self.manifest()?;
        }
        found
    }

    fn find_attributes(&self, name: &KeyName) -> Result<Option<Attributes>, LocalVaultError> {
        let directory = self.directory(name);
        self.require_keys()?;
        if !files::is_directory(&directory)? {
            return Ok(None);
        }
        if let Some(found) = Attributes::read(&directory, &self.id, name, &self.keyring)? {
            return Ok(Some(found));
        }
        // One without a key is what a crash left. One that is purged in this moment is gone, and else it is damaged.
        if !has_private_files(&directory)? || !files::is_directory(&directory)? {
            return Ok(None);
        }
        let (path, reason) = (directory.join(ATTRIBUTES), "it is missing");
        Err(LocalVaultError::Damaged { path, reason })
    }

    /// Refuses a vault without the directory of all keys, which says nothing about a single one.
    fn require_keys(&self) -> Result<(), LocalVaultError> {
        if files::is_directory(&self.keys())? {
            return Ok(());
        }
        let kind = std::io::ErrorKind::NotFound;
        let gone =
            std::io::Error::new(kind, "it is missing; bring it back from a copy of the vault");
        Err(LocalVaultError::io("read", &self.keys())(gone))
    }

    /// The attributes of a key that is not deleted.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::KeyMissing`], [`LocalVaultError::KeyDeleted`], and those of
    /// [`Store::attributes`].
    pub(super) fn live(
        &self,
        manifest: &Manifest,
        name: &KeyName,
    ) -> Result<Attributes, LocalVaultError> {
        let Some(found) = self.attributes(manifest, name)? else {
            let names = self.names()?.into_iter();
            return Err(LocalVaultError::KeyMissing {
                vault: self.path.clone(),
                name: name.to_string(),
                existing: names.map(String::from).collect(),
            });
        };
        match found.deleted {
            None => Ok(found),
            Some(deletion) => Err(LocalVaultError::KeyDeleted {
                vault: self.path.clone(),
                name: name.to_string(),
                purge_from: deletion.purge_from,
            }),
        }
    }

    /// Does `work` with the attributes of the key `name`; once more, where it met files that do not
    /// belong to them because the key was replaced meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Store::live`] and of `work`.
    pub(super) fn read_consistent<T>(
        &self,
        name: &KeyName,
        work: impl Fn(&Manifest, &Attributes) -> Result<T, LocalVaultError>,
    ) -> Result<T, LocalVaultError> {
        let manifest = self.manifest()?;
        let mut before = self.live(&manifest, name)?;
        for _ in 1..READ_ATTEMPTS {
            match work(&manifest, &before) {
                Err(error @ LocalVaultError::Damaged { .. }) => {
                    self.manifest()?;
                    let after = self.live(&manifest, name)?;
                    if after == before {
                        return Err(error);
                    }
                    before = after;
                }
                done => return done,
            }
        }
        work(&manifest, &before)
    }

    /// The names of all keys, deleted ones among them, sorted. A directory that holds no key is not one.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`] where something else has a key's name; [`LocalVaultError::Io`].
    pub(super) fn names(&self) -> Result<Vec<KeyName>, LocalVaultError> {
        self.require_layout()?;
        self.require_keys()?;
        let mut names = Vec::new();
        for entry in files::entries(&self.keys())? {
            let name = files::file_name(&entry).and_then(|name| KeyName::new(name).ok());
            if let Some(name) = name
                && files::is_directory(&entry)?
                && (entry.join(ATTRIBUTES).exists() || has_private_files(&entry)?)
            {
                names.push(name);
            }
        }
        // Files go only after the vault has gone over to others: a list of those that were left is known by that.
        self.manifest()?;
        names.sort();
        Ok(names)
    }

    /// Refuses a vault whose keys are where its manifest does not have them: that is one from before a passphrase was set
    /// or removed, and no key is missing.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::PassphraseChanged`] where that was meanwhile, else [`LocalVaultError::Damaged`].
    pub(super) fn require_layout(&self) -> Result<(), LocalVaultError> {
        let other = self.path.join(self.layout.next().keys());
        if files::is_directory(&self.keys())? || !files::is_directory(&other)? {
            return Ok(());
        }
        self.manifest()?;
        let (path, reason) =
            (self.path.join(MANIFEST), "it is from before a passphrase was set or removed");
        Err(LocalVaultError::Damaged { path, reason })
    }

    /// The id of the newest version of the key `name`: the one that `attributes` list last.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`] where they list none.
    pub(super) fn newest_id(
        &self,
        name: &KeyName,
        attributes: &Attributes,
    ) -> Result<LocalKeyId, LocalVaultError> {
        let newest = attributes.versions.last().map(|newest| self.key_id(name, newest.version));
        newest.ok_or_else(|| LocalVaultError::Damaged {
            path: self.directory(name).join(ATTRIBUTES),
            reason: "it lists no version",
        })
    }

    /// The version `id` among `attributes`.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::VersionMissing`]; [`LocalVaultError::Damaged`] where a key file of this id is there
    /// and not listed, which must not look like a version that is gone.
    pub(super) fn version<'a>(
        &self,
        id: &LocalKeyId,
        attributes: &'a Attributes,
    ) -> Result<&'a VersionAttributes, LocalVaultError> {
        if let Some(version) = attributes.version(id.version()) {
            return Ok(version);
        }
        let directory = self.directory(id.name());
        if private_files(&directory)?.any(|found| found == id.version()) {
            return Err(LocalVaultError::Damaged {
                path: directory.join(ATTRIBUTES),
                reason: "it does not list a version whose key is there",
            });
        }
        Err(LocalVaultError::VersionMissing { vault: self.path.clone(), id: id.to_string() })
    }

    /// The private key, or the AES key, of a version.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`] where it is missing or another one than when it was made;
    /// [`LocalVaultError::Key`], [`LocalVaultError::Exposed`], [`LocalVaultError::Io`].
    pub(super) fn material(
        &self,
        id: &LocalKeyId,
        version: &VersionAttributes,
    ) -> Result<Material, LocalVaultError> {
        let path = self.directory(id.name()).join(self.private_file(version));
        let text = files::read_private(&path, LONGEST_KEY)?.ok_or_else(|| {
            LocalVaultError::Damaged { path: path.clone(), reason: "it is missing" }
        })?;
        // Its primes were tested when it was made or restored, before this was recorded of it.
        let is_known = |key: &PublicKey| {
            let fingerprint = attributes::of_public_key(key).ok();
            fingerprint.as_ref() == Some(&version.fingerprint)
        };
        self.parse(id, version, &text, &path, is_known)
    }

    /// The key in `text`, the contents of the private file `path`. The primes of an RSA key that
    /// `is_known` are not tested.
    ///
    /// # Errors
    ///
    /// Those of [`Store::material`].
    pub(super) fn parse(
        &self,
        id: &LocalKeyId,
        version: &VersionAttributes,
        text: &str,
        path: &Path,
        is_known: impl FnOnce(&PublicKey) -> bool,
    ) -> Result<Material, LocalVaultError> {
        let damaged = |reason| LocalVaultError::Damaged { path: path.to_owned(), reason };
        let refused = |source| match source {
            strongroom::Error::Key { .. } => {
                damaged("it is not the RSA key that was written there")
            }
            source => LocalVaultError::Key { key: path.display().to_string(), source },
        };
        let der = if self.keyring.is_sealed() {
            let sealed =
                base16ct::lower::decode_vec(text).map_err(|_| damaged("it is not hexadecimal"))?;
            let opened = self.keyring.unseal(&label(id, version.kind), &sealed);
            Some(opened.ok_or_else(|| damaged("it is not the key that was sealed there"))?)
        } else {
            None
        };
        let (material, fingerprint) = match version.kind {
            KeyKind::Rsa => {
                let key = match der {
                    None => PrivateKey::from_pkcs8_pem_known(text, is_known),
                    Some(der) => PrivateKey::from_pkcs8_der_known(der.expose(), is_known),
                };
                let key = key.map_err(refused)?;
                let fingerprint = attributes::of_public_key(&key.public_key())?;
                (Material::Rsa(Box::new(key)), fingerprint)
            }
            KeyKind::Oct => {
                let mut bytes = Zeroizing::new([0; 32]);
                let key = match der {
                    Some(sealed) => sealed.expose().try_into().ok().map(Secret::copy_from),
                    None => base16ct::lower::decode(text, &mut *bytes)
                        .is_ok_and(|decoded| decoded.len() == 32)
                        .then(|| Secret::copy_from(&bytes)),
                };
                let key = key.ok_or_else(|| damaged("it is not 32 bytes in hexadecimal"))?;
                let fingerprint = attributes::of_aes_key(&key);
                (Material::Oct(key), fingerprint)
            }
        };
        if fingerprint != version.fingerprint {
            return Err(damaged("it holds another key"));
        }
        Ok(material)
    }

    /// `material` as the contents of a private file.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Key`], [`LocalVaultError::Random`].
    pub(super) fn contents(
        &self,
        id: &LocalKeyId,
        material: &Material,
    ) -> Result<SecretVec, LocalVaultError> {
        let refused = |source| LocalVaultError::Key { key: id.to_string(), source };
        if self.keyring.is_sealed() {
            let (kind, der) = match material {
                Material::Rsa(key) => (KeyKind::Rsa, Some(key.to_pkcs8_der().map_err(refused)?)),
                Material::Oct(_) => (KeyKind::Oct, None),
            };
            let plain = match (material, &der) {
                (Material::Oct(key), _) => &key.expose()[..],
                (_, der) => der.as_ref().map_or(&[][..], SecretVec::expose),
            };
            if let Some(sealed) = self.keyring.seal(&label(id, kind), plain) {
                return Ok(SecretVec::from(base16ct::lower::encode_string(&sealed?).into_bytes()));
            }
        }
        match material {
            Material::Rsa(key) => key.to_pkcs8_pem().map_err(refused),
            Material::Oct(key) => {
                Ok(SecretVec::from(base16ct::lower::encode_string(key.expose()).into_bytes()))
            }
        }
    }

    /// The public key of an RSA version, from the file beside the private one, which is not touched.
    ///
    /// What pins it is its fingerprint among the attributes. With a passphrase those are authenticated,
    /// so nobody can put another public key there. Without one, who can write into the directory (mode
    /// 0700) can replace the private key as well, and the fingerprint finds accidents: a public key
    /// that is not the private one's never wraps anything.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::NoPublicKey`] of an AES key, and those of [`Store::material`].
    pub(super) fn public_key(
        &self,
        id: &LocalKeyId,
        version: &VersionAttributes,
    ) -> Result<PublicKey, LocalVaultError> {
        if version.kind != KeyKind::Rsa {
            return Err(LocalVaultError::NoPublicKey { id: id.to_string() });
        }
        let path = self.directory(id.name()).join(public_file(version.version));
        if let Some(text) = files::read_private(&path, LONGEST_KEY)? {
            let damaged = |reason| LocalVaultError::Damaged { path: path.clone(), reason };
            let key = PublicKey::from_spki_pem(&text)
                .map_err(|_| damaged("it is not a public key in PEM"))?;
            if attributes::of_public_key(&key)? != version.fingerprint {
                return Err(damaged("it is not the public half of the key beside it"));
            }
            return Ok(key);
        }
        match self.material(id, version)? {
            Material::Rsa(key) => Ok(key.public_key()),
            Material::Oct(_) => Err(LocalVaultError::NoPublicKey { id: id.to_string() }),
        }
    }

    /// The name of the file with the key of `version`.
    pub(super) fn private_file(&self, version: &VersionAttributes) -> String {
        let suffix = match version.kind {
            _ if self.keyring.is_sealed() => "sealed",
            KeyKind::Rsa => "pem",
            KeyKind::Oct => "aes",
        };
        format!("{}.{suffix}", version.version)
    }
}

/// The name of the file with the public key of `version`.
pub(super) fn public_file(version: VersionId) -> String {
    format!("{version}.pub.pem")
}

/// The versions whose key files are in `directory`, listed or not.
pub(super) fn private_files(
    directory: &Path,
) -> Result<impl Iterator<Item = VersionId>, LocalVaultError> {
    Ok(files::entries(directory)?.into_iter().filter_map(|path| {
        let (id, suffix) = files::file_name(&path)?.rsplit_once('.')?;
        matches!(suffix, "pem" | "aes" | "sealed").then(|| VersionId::parse(id))?
    }))
}

fn has_private_files(directory: &Path) -> Result<bool, LocalVaultError> {
    Ok(private_files(directory)?.next().is_some())
}

/// Associated data of a sealed key.
fn label(id: &LocalKeyId, kind: KeyKind) -> String {
    let kind = match kind {
        KeyKind::Rsa => "RSA",
        KeyKind::Oct => "oct",
    };
    format!("{kind}|{id}")
}
