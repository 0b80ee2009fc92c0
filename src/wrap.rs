//! Wrapping of small secrets under named keys: data keys under a resource's key, a resource's key
//! under the customer's.
//!
//! A [`WrappingKey`] wraps, an [`UnwrappingKey`] unwraps, and each carries the [`KeyId`] that goes
//! into the document beside the wrapped key, and its [`Algorithm`].
//!
//! # Example
//!
//! ```
//! use strongroom::secret::Secret;
//! use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
//!
//! let id = KeyId::new("resource/42/service/1")?;
//! let key = Secret::<32>::generate()?;
//! let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(key.expose()));
//! let unwrapping = UnwrappingKey::aes(id, key);
//!
//! let data_key = Secret::<32>::generate()?;
//! let wrapped = wrapping.wrap(data_key.expose())?;
//! assert_eq!(unwrapping.unwrap(&wrapped)?.expose(), data_key.expose());
//! # Ok::<(), strongroom::Error>(())
//! ```

mod a256kw;
mod algorithm;
mod key;
mod key_id;

pub use algorithm::Algorithm;
pub use key::{UnwrappingKey, WrappingKey};
pub use key_id::KeyId;
