//! The body with EOR3 against the plain one. Everything else is tested above, on every tier.

use super::*;

/// `STRONGROOM_REQUIRE_EOR3=true` (or `false`) says which body this run must take: neither is left
/// untested in silence.
#[test]
fn both_bodies_agree_at_every_length() {
    let detected = Token::detect();
    println!("armv8: {detected:?}");
    if let Ok(required) = std::env::var("STRONGROOM_REQUIRE_EOR3") {
        let eor3 = required == "true";
        assert_eq!(detected, Some(Token { eor3 }), "what was found and what was required");
    }
    let Some(detected) = detected else { return };
    // The plain body needs less than what was detected.
    let tokens = [detected, Token { eor3: false }];

    let associated_data: [u8; 203] = core::array::from_fn(|i| i.to_le_bytes()[0]);
    for len in 0..=5 * GROUP_LEN {
        let text: Vec<u8> = (0..len).map(|i| (i * 7 + len).to_le_bytes()[0]).collect();
        let associated_data = &associated_data[..len % associated_data.len()];
        let j0 = u128::from_be_bytes([len.to_le_bytes()[0]; 16]);
        let sealed = tokens.map(|token| {
            let key = Key::new(token, &[len.to_le_bytes()[0]; 32]);
            let mut buffer = text.clone();
            let tag = key.seal(j0, associated_data, buffer.as_mut_slice().into());
            let ciphertext = buffer.clone();
            assert_eq!(key.open(j0, associated_data, buffer.as_mut_slice().into()), tag, "{len}");
            assert_eq!(buffer, text, "{len}");
            (ciphertext, tag)
        });
        assert_eq!(sealed[0], sealed[1], "{len}");
    }
}
