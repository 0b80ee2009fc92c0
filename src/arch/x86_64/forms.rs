//! For tests of a tier that comes in two forms, of which a processor takes one: both give the same.

use crate::arch::counter_cache::CounterCache;
use crate::arch::{Fault, Hints, InOutBuf};

/// Makes a key of one of the forms.
pub(super) type New<'f, K> = &'f dyn Fn(&[u8; 32]) -> Box<K>;

type Crypt<'k, K> =
    &'k dyn Fn(&K, Hints<'_>, u128, &[u8], InOutBuf<'_, '_, u8>) -> Result<[u8; 16], Fault>;

/// Operations of one tier.
pub(super) struct Operations<'f, K> {
    pub(super) fill: &'f dyn Fn(&K, &mut CounterCache<2>),
    pub(super) seal: Crypt<'f, K>,
    pub(super) open: Crypt<'f, K>,
    pub(super) ghash: &'f dyn Fn(&K, u128, &[u8]) -> u128,
}

/// Seals and opens texts of these lengths with a key of each form: in place and to another place, streamed or not,
/// with a cache and without. All must agree, and open again.
pub(super) fn agree<K>(
    tier: &Operations<'_, K>,
    forms: [New<'_, K>; 2],
    lengths: impl Iterator<Item = usize>,
) {
    let associated_data: [u8; 203] = core::array::from_fn(|i| i.to_le_bytes()[0]);
    let (mut cached, mut fresh) = (0, 0);
    for len in lengths {
        let text: Vec<u8> = (0..len).map(|i| (i * 7 + len).to_le_bytes()[0]).collect();
        let associated_data = &associated_data[..len % associated_data.len()];
        // Two of three nonces are 96 bits long: their counter starts where a cache's does.
        let random = u128::from_be_bytes([len.to_le_bytes()[0]; 16]);
        let j0 = if len % 3 == 0 { random } else { random >> 32 << 32 | 1 };
        let outcomes = forms.map(|new| {
            let key = new(&[len.to_le_bytes()[0]; 32]);
            let mut cache = CounterCache::empty(j0);
            (tier.fill)(&key, &mut cache);
            if cache.serves(j0) {
                cached += 1;
            } else {
                fresh += 1;
            }
            let ways = [None, Some(&cache)].map(|cache| [(cache, false), (cache, true)]);
            let sealed = ways.as_flattened().iter().map(|&(cache, non_temporal)| {
                let hints = Hints { cache, non_temporal };
                let mut ciphertext = vec![0; len];
                let places = InOutBuf::new(&text, &mut ciphertext).unwrap();
                let tag = (tier.seal)(&key, hints, j0, associated_data, places).unwrap();

                let mut opened = vec![0; len];
                let places = InOutBuf::new(&ciphertext, &mut opened).unwrap();
                let again = (tier.open)(&key, hints, j0, associated_data, places).unwrap();
                assert_eq!((&opened, again), (&text, tag), "{len}");

                let mut in_place = text.clone();
                let place = in_place[..].as_mut().into();
                let again = (tier.seal)(&key, hints, j0, associated_data, place).unwrap();
                assert_eq!((&in_place, again), (&ciphertext, tag), "{len}");
                let place = in_place[..].as_mut().into();
                let again = (tier.open)(&key, hints, j0, associated_data, place).unwrap();
                assert_eq!((&in_place, again), (&text, tag), "{len}");
                (ciphertext, tag)
            });
            let sealed: Vec<_> = sealed.collect();
            assert!(sealed.iter().all(|one| *one == sealed[0]), "{len}");
            (sealed, (tier.ghash)(&key, j0, &text))
        });
        assert_eq!(outcomes[0], outcomes[1], "{len}");
    }
    // For an interpreter a few have to do.
    assert!(cfg!(miri) || cached > 1000 && fresh > 500, "{cached} with a cache, {fresh} without");
}
