//! Against the `ghash` crate.

use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::*;

/// Bits without a pattern.
fn noise(seed: usize) -> u128 {
    let mut state = seed as u128 ^ 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834;
    for _ in 0..4 {
        state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).rotate_left(41);
    }
    state
}

fn of(h: u128) -> HashKey {
    let mut key = HashKey::zeroed();
    key.set(h);
    key
}

#[test]
fn every_length_to_three_groups_agrees() {
    for len in 0..=3 * GROUP * 16 {
        let bytes: Vec<u8> = (0..len).flat_map(|at| noise(at).to_be_bytes()).take(len).collect();
        let mut theirs = GHash::new(&noise(len).to_be_bytes().into());
        theirs.update_padded(&bytes);
        let ours = of(noise(len)).absorb_padded(0, &bytes);
        assert_eq!(ours.to_be_bytes(), <[u8; 16]>::from(theirs.finalize()), "{len}");
    }
}

/// Where most bits meet: carries run furthest in products of ones.
#[test]
fn every_pair_of_extremes_agrees() {
    let ones = |count: u32| u128::MAX.checked_shr(128 - count).unwrap_or(0);
    let extremes =
        (0..=128).flat_map(|count| [ones(count), !ones(count), ones(count).reverse_bits()]);
    for h in extremes.clone() {
        let key = of(h);
        for block in extremes.clone().step_by(5) {
            let mut theirs = GHash::new(&h.to_be_bytes().into());
            theirs.update(&[block.to_be_bytes().into(); GROUP]);
            let ours = key.absorb_padded(0, &block.to_be_bytes().repeat(GROUP));
            assert_eq!(ours.to_be_bytes(), <[u8; 16]>::from(theirs.finalize()), "{h:x} {block:x}");
        }
    }
}
