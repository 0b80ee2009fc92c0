//! Two slots: what is mended from the other one, and what is refused.
//!
//! Damage breaks a slot's checksum, and the other slot serves. A slot whose checksum holds was written
//! that way: its HMAC alone decides, and the other slot is not asked.

use std::ops::Range;

use super::*;

const SLOT_LEN: usize = 1024;
const SLOTS: [Range<usize>; 2] = [512..512 + SLOT_LEN, 512 + SLOT_LEN..2560];
/// Within a slot.
const MAC: Range<usize> = SLOT_LEN - 48..SLOT_LEN - 16;

fn original() -> Vec<u8> {
    sealed(PlaintextLen::Known(300), 300, Slots::Two)
}

/// The document while it is rewrapped: one slot is of generation 2, the other one not yet.
fn half_rewrapped(newer: usize) -> Vec<u8> {
    let mut document = original();
    let header = Header::parse(&document).unwrap();
    let keys = [unwrapping("vault/k/1", &KEK)];
    let context = context(&[("tenant", "7")]);
    let options = RewrapOptions { context, ..RewrapOptions::default() };
    let rewrap = header.rewrap_with(&keys, &options).unwrap();
    let header = rewrap.to_header().unwrap();
    let range = SLOTS[newer].clone();
    document[range.clone()].copy_from_slice(&header[range]);
    document
}

/// Changes a byte of a slot's HMAC and makes the checksum anew: no damage, but a slot that somebody
/// made without the header key.
fn forge_mac(document: &mut [u8], slot: usize, byte: usize) {
    let slot = &mut document[SLOTS[slot].clone()];
    slot[MAC][byte] ^= 1;
    renew_checksum(slot);
}

fn forge_generation(document: &mut [u8], slot: usize, generation: u64) {
    let slot = &mut document[SLOTS[slot].clone()];
    slot[..8].copy_from_slice(&generation.to_be_bytes());
    renew_checksum(slot);
}

fn states(document: &[u8]) -> Vec<SlotState> {
    Header::parse(document).unwrap().slots().to_vec()
}

/// Each byte of either slot, the newer one and the older one, one at a time.
#[test]
fn damage_is_mended_from_the_other_slot_of_whatever_generation() {
    let mut mended = [0; 2];
    for newer in [0, 1] {
        let original = half_rewrapped(newer);
        assert_eq!(states(&original)[newer], SlotState::Current);
        assert_eq!(states(&original)[1 - newer], SlotState::Stale);
        for (damaged, range) in SLOTS.into_iter().enumerate() {
            for offset in range {
                let mut changed = original.clone();
                changed[offset] ^= 1 << (offset % 8);
                let header = Header::parse(&changed).unwrap();
                assert_eq!(header.slots()[damaged], SlotState::Damaged, "byte {offset}");
                assert_eq!(header.slots()[1 - damaged], SlotState::Current, "byte {offset}");
                assert_eq!(header.generation(), if damaged == newer { 1 } else { 2 });
                let keys = [unwrapping("vault/k/1", &KEK)];
                assert_eq!(open(&changed, &keys, &open_options()).unwrap(), text(300));
                mended[usize::from(damaged == newer)] += 1;
            }
        }
    }
    assert_eq!(mended, [2 * SLOT_LEN; 2]);
}

#[test]
fn damage_to_both_slots_is_an_error() {
    let original = original();
    // Recipients, zeros, HMAC and checksum of the one with those of the other.
    let places = [0, 40, 900, MAC.start, MAC.end - 1, MAC.end, SLOT_LEN - 1];
    for first in places {
        for second in places {
            let mut changed = original.clone();
            changed[SLOTS[0].start + first] ^= 1;
            changed[SLOTS[1].start + second] ^= 1;
            assert_refused(&changed, &open_options(), &Expected::Format, "both slots");
        }
    }
}

#[test]
fn a_wrong_hmac_is_never_a_reason_to_fall_back() {
    for byte in 0..MAC.len() {
        let mut both = original();
        forge_mac(&mut both, 0, byte);
        forge_mac(&mut both, 1, byte);
        assert_eq!(states(&both), [SlotState::Current; 2]);
        assert_refused(&both, &open_options(), &Expected::Authentication, "both HMACs");

        for slot in [0, 1] {
            // Same generation, different bytes.
            let mut one = original();
            forge_mac(&mut one, slot, byte);
            assert_refused(&one, &open_options(), &Expected::Format, "one HMAC");

            let mut newer = half_rewrapped(slot);
            forge_mac(&mut newer, slot, byte);
            assert_eq!(states(&newer)[slot], SlotState::Current);
            assert_eq!(states(&newer)[1 - slot], SlotState::Stale);
            assert_refused(&newer, &open_options(), &Expected::Authentication, "the newer HMAC");

            // Of the older slot nothing is asked.
            let mut older = half_rewrapped(slot);
            forge_mac(&mut older, 1 - slot, byte);
            assert_eq!(states(&older), states(&half_rewrapped(slot)));
            assert_eq!(open_everywhere(&older, &open_options()).unwrap(), text(300));
        }
    }
}

#[test]
fn a_generation_that_the_data_key_did_not_authenticate_is_refused() {
    for slot in [0, 1] {
        // With a good checksum it is not skipped, also where it has no generation.
        let mut changed = original();
        forge_generation(&mut changed, slot, 0);
        assert_refused(&changed, &open_options(), &Expected::Format, "generation 0");

        let mut changed = original();
        forge_generation(&mut changed, slot, 2);
        assert_eq!(states(&changed)[slot], SlotState::Current);
        assert_eq!(states(&changed)[1 - slot], SlotState::Stale);
        assert_refused(&changed, &open_options(), &Expected::Authentication, "generation 2");
    }
}

/// Checks that any beginning of a header gives how much of it is needed, as soon as it can; and that bytes
/// that do not begin a header are refused at once.
#[test]
fn a_header_says_how_much_of_it_is_needed() {
    for (slots, header_len) in [(Slots::One, 512), (Slots::Two, 2560)] {
        let document = sealed(PlaintextLen::Known(300), 300, slots);
        for length in 0..=document.len() {
            let needed = if length < 136 { 136 } else { header_len };
            assert_eq!(Header::required_len(&document[..length]).unwrap(), needed, "{length}");
        }
    }
    for length in 1..=136 {
        let refused = Header::required_len(&[0; 136][..length]).unwrap_err();
        assert!(matches!(refused, Error::Format { offset: 0, .. }), "{length}: {refused}");
    }
}
