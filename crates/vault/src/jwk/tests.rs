//! The published example, and every way in which a JWK is not one of a public RSA-2048 key.

use std::path::Path;

use super::*;

/// The key of RFC 7638 section 3.1.
const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n\
    3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHz\
    u6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw\
    apJzKnqDKgw";

fn rfc_7638(members: &str) -> String {
    format!(r#"{{"kty":"RSA","n":"{N}","e":"AQAB"{members}}}"#)
}

#[track_caller]
fn refused(text: &str) -> &'static str {
    match read(text) {
        Err(Error::Key { key, reason }) => {
            assert_eq!(key, "JWK");
            reason
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("accepted: {text}"),
    }
}

#[test]
fn the_example_of_rfc_7638_has_its_thumbprint() {
    let key =
        read(&rfc_7638(r#","alg":"RS256","kid":"2011-04-29""#).replace("RS256", "RSA-OAEP-256"));
    let key = key.unwrap();
    assert_eq!(thumbprint(&key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // As section 3.1 shows the input of the hash.
    assert_eq!(write(&key), format!(r#"{{"e":"AQAB","kty":"RSA","n":"{N}"}}"#));
    assert_eq!(read(&write(&key)).unwrap(), key);
}

/// A key that OpenSSL wrote, whose JWK was made of what `openssl rsa -text` says of it.
#[test]
fn a_key_of_openssl_has_the_jwk_of_its_numbers() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/imported");
    let file = |name: &str| std::fs::read(directory.join(name)).unwrap();
    for (pem, jwk) in [("public.pem", "public.jwk"), ("e3.public.pem", "e3.public.jwk")] {
        let key = PublicKey::import(&file(pem)).unwrap();
        let text = String::from_utf8(file(jwk)).unwrap();
        assert_eq!(write(&key), text.trim_end());
        assert_eq!(read(&text).unwrap(), key);
    }
}

#[test]
fn what_else_a_jwk_may_say_does_not_matter() {
    let plain = read(&rfc_7638("")).unwrap();
    for members in [
        r#","use":"enc""#,
        r#","key_ops":["encrypt","decrypt","sign","verify","wrapKey","unwrapKey"]"#,
        r#","key_ops":["wrapKey"],"alg":"RSA-OAEP-256""#,
        r#","kid":"https://vault.example/keys/a/1","x5c":["AAAA"],"ext":true,"future":{"d":1}"#,
    ] {
        assert_eq!(read(&rfc_7638(members)).unwrap(), plain, "{members}");
    }
    let spread = rfc_7638("").replace(',', ",\r\n   ");
    assert_eq!(read(&format!("\n {spread} \n")).unwrap(), plain);
}

#[test]
fn a_private_jwk_is_refused_whichever_member_it_has() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        assert_eq!(refused(&rfc_7638(&format!(r#","{member}":"AQAB""#))), PRIVATE, "{member}");
    }
    assert_eq!(refused(&rfc_7638(r#","oth":[{"r":"AQAB"}]"#)), PRIVATE);
    // Whatever else is wrong.
    assert_eq!(refused(r#"{"kty":"oct","k":"AQAB"}"#), PRIVATE);
    assert_eq!(refused(r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","d":"AQ"}"#), PRIVATE);
}

#[test]
fn another_kind_of_key_is_refused() {
    assert_eq!(refused(r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#), OTHER_TYPE);
    for kind in ["OKP", "rsa", "RSA ", ""] {
        assert_eq!(refused(&rfc_7638("").replace("RSA", kind)), OTHER_TYPE, "{kind:?}");
    }
    assert_eq!(refused(&rfc_7638("").replace("kty", "kind")), NO_TYPE);
    assert_eq!(refused(r#"{"keys":[]}"#), SET);
    for members in [r#","use":"sig""#, r#","key_ops":["sign","verify"]"#, r#","key_ops":[]"#] {
        assert_eq!(refused(&rfc_7638(members)), SIGNATURES, "{members}");
    }
    for alg in ["RS256", "RSA-OAEP", "RSA1_5"] {
        assert_eq!(refused(&rfc_7638(&format!(r#","alg":"{alg}""#))), OTHER_ALGORITHM, "{alg}");
    }
}

#[test]
fn text_that_is_not_one_object_of_unique_members_is_refused() {
    let whole = rfc_7638("");
    for text in [
        "",
        "null",
        "[]",
        "\"RSA\"",
        &whole[..whole.len() - 1],
        &format!("{whole}{whole}"),
        &rfc_7638(r#","n":"AQAB""#),
        &rfc_7638(r#","kty":"RSA""#),
        &whole.replace("\"AQAB\"", "65537"),
    ] {
        assert_eq!(refused(text), NOT_JWK, "{text}");
    }
    for member in ["n", "e"] {
        assert_eq!(refused(&whole.replace(&format!(r#""{member}""#), r#""other""#)), NO_NUMBERS);
    }
}

#[test]
fn a_number_that_is_not_the_one_base64url_of_it_is_refused() {
    let with = |n: &str, e: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#);
    assert_eq!(refused(&with(&format!("{N}=="), "AQAB")), PADDED);
    assert_eq!(refused(&with(N, "AQAB=")), PADDED);
    for text in [N.replace('_', "/"), N.replace('-', "+"), format!("{N} "), N.replacen('7', "*", 1)]
    {
        assert_eq!(refused(&with(&text, "AQAB")), NOT_BASE64URL, "{text}");
    }
    // The last of 342 characters has two bits of the number, and four that are zero.
    let front = &N[..N.len() - 1];
    let last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted =
        last.chars().filter(|last| read(&with(&format!("{front}{last}"), "AQAB")).is_ok());
    // Those whose low four bits are zero, A, Q, g and w; A and g end an even modulus.
    assert!(accepted.eq(['Q', 'w']));
    for e in ["AAEAAQ", "AAM", "", "AA"] {
        assert_eq!(refused(&with(N, e)), LEADING_ZERO, "{e}");
    }
    let mut octets = Base64UrlUnpadded::decode_vec(N).unwrap();
    octets.insert(0, 0);
    assert_eq!(refused(&with(&Base64UrlUnpadded::encode_string(&octets), "AQAB")), LEADING_ZERO);
}

#[test]
fn other_sizes_and_exponents_are_refused_by_the_engines_rules() {
    let reason = |n: &str, e: &str| match read(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)) {
        Err(Error::Key { key, reason }) => {
            assert_eq!(key, "RSA key");
            reason
        }
        other => panic!("{other:?}"),
    };
    for octets in [1, 128, 255, 257, 384, 512, 5000] {
        let n = Base64UrlUnpadded::encode_string(&vec![0xff; octets]);
        assert!(reason(&n, "AQAB").contains("2048 bits"), "{octets}");
    }
    for e in ["AQ", "Ag", "AQAA", "AQAAAAE"] {
        assert!(reason(N, e).contains("odd number in 3..2^32"), "{e}");
    }
    // The greatest exponent there is.
    let greatest = format!(r#"{{"kty":"RSA","n":"{N}","e":"_____w"}}"#);
    assert_eq!(read(&greatest).unwrap().exponent(), u32::MAX);
}
