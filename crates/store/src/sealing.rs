//! Keys and header of an object that is to be sealed.

use strongroom::document::{Layers, PlaintextLen, SealOptions, Sealer, Slots};
use strongroom_keys::resource::{SealRequest, SealingKeys};

use crate::error::StoreError;
use crate::manifest::HEADER_LEN;
use crate::shared::{Named, Shared};

impl Shared {
    /// The keys of an object to be, and what seals it with them. Where it is to expire at no time that is given, its kind says when.
    pub(crate) async fn sealer(
        &self,
        named: &Named,
        text_len: PlaintextLen,
        expires_at: Option<u64>,
    ) -> Result<(SealingKeys, Sealer), StoreError> {
        let (path, placement) = (&named.location, &named.placement);
        let two_layers = self.manifest.layers == 2;
        let request =
            SealRequest { two_layers, ..SealRequest::of(placement.kind).expiring_at(expires_at) };
        let keys = self.resources.sealing_keys(&placement.resource, &request).await;
        let keys = keys.map_err(StoreError::keys(path))?;
        let options = SealOptions {
            chunk_len: self.manifest.chunk_len,
            context: named.context.clone(),
            expires_at: keys.expires_at(),
            slots: Slots::One,
            ..SealOptions::default()
        };
        if !two_layers && matches!(keys.layers(), Layers::Two { .. }) {
            let resource = placement.resource.clone();
            return Err(StoreError::OneLayer { path: path.clone(), resource });
        }
        let sealer = Sealer::new(text_len, keys.layers(), &options);
        let sealer = sealer.map_err(StoreError::engine(path))?;
        let header_len = sealer.header().len();
        if header_len as u64 == HEADER_LEN {
            return Ok((keys, sealer));
        }
        Err(StoreError::HeaderLen {
            path: path.clone(),
            resource: placement.resource.clone(),
            header_len,
            expected: HEADER_LEN,
        })
    }
}
