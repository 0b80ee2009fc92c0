//! The keys of the documents that are measured, made once: as a service caches them.

use anyhow::Result;
use strongroom::document::{
    Header, Layers, OpenOptions, Opener, PlaintextLen, SealOptions, Sealer,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

/// Keys for documents of one layer and of two.
#[derive(Debug)]
pub(crate) struct Keys {
    wrapping: [[WrappingKey; 1]; 2],
    unwrapping: [UnwrappingKey; 2],
}

impl Keys {
    /// AES keys (A256KW).
    ///
    /// # Errors
    ///
    /// The system's random number generator's.
    pub(crate) fn aes() -> Result<Self> {
        let [(service, opens_service), (customer, opens_customer)] =
            [aes("compare/service/1")?, aes("compare/customer/1")?];
        Ok(Self { wrapping: [[service], [customer]], unwrapping: [opens_service, opens_customer] })
    }

    /// Those that wrap, of one layer, or of two where `layers` is 2.
    pub(crate) fn wrapping(&self, layers: usize) -> Layers<'_> {
        let [service, customer] = &self.wrapping;
        if layers == 2 { Layers::Two { service, customer } } else { Layers::One(service) }
    }

    /// Those that unwrap, one a layer.
    pub(crate) fn unwrapping(&self, layers: usize) -> &[UnwrappingKey] {
        &self.unwrapping[..layers]
    }

    /// A sealer of a text of `length` bytes.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub(crate) fn sealer(
        &self,
        layers: usize,
        length: usize,
        options: &SealOptions,
    ) -> Result<Sealer> {
        let length = PlaintextLen::Known(length as u64);
        Ok(Sealer::new(length, self.wrapping(layers), options)?)
    }

    /// An opener of a document with that header.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub(crate) fn opener(&self, layers: usize, header: &Header) -> Result<Opener> {
        Ok(header.unlock_with(self.unwrapping(layers), &OpenOptions::default())?)
    }
}

fn aes(id: &str) -> Result<(WrappingKey, UnwrappingKey)> {
    let (id, key) = (KeyId::new(id)?, Secret::<32>::generate()?);
    let same = Secret::copy_from(key.expose());
    Ok((WrappingKey::aes(id.clone(), key), UnwrappingKey::aes(id, same)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_open_under_the_keys_that_they_were_sealed_under() {
        let (keys, options) = (Keys::aes().unwrap(), SealOptions::default());
        for layers in [1, 2] {
            let sealed = keys.sealer(layers, 4, &options).unwrap().seal_slice(b"text").unwrap();
            let header = Header::parse(&sealed).unwrap();
            assert_eq!(usize::from(header.layers()), layers);
            let opener = keys.opener(layers, &header).unwrap();
            assert_eq!(opener.open_slice(&sealed).unwrap(), b"text");
            assert!(Keys::aes().unwrap().opener(layers, &header).is_err());
        }
    }
}
