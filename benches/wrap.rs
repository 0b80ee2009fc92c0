//! Wrapping a data key, 40 bytes in a document: A256KW and RSA-OAEP-256, and making an RSA key.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that fails may stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use strongroom::rsa::PrivateKey;
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const PAYLOAD: [u8; 40] = [0x61; 40];

fn pair(c: &mut Criterion, name: &str, wrapping: &WrappingKey, unwrapping: &UnwrappingKey) {
    let wrapped = wrapping.wrap(&PAYLOAD).unwrap();
    c.bench_function(&format!("{name}/wrap"), |b| {
        b.iter(|| wrapping.wrap(black_box(&PAYLOAD)).unwrap());
    });
    c.bench_function(&format!("{name}/unwrap"), |b| {
        b.iter(|| unwrapping.unwrap(black_box(&wrapped)).unwrap());
    });
}

fn a256kw(c: &mut Criterion) {
    let id = KeyId::new("bench/a256kw/1").unwrap();
    let key = || Secret::copy_from(&[7; 32]);
    pair(c, "A256KW", &WrappingKey::aes(id.clone(), key()), &UnwrappingKey::aes(id, key()));
}

fn rsa_oaep_256(c: &mut Criterion) {
    let id = KeyId::new("bench/rsa/1").unwrap();
    let key = PrivateKey::generate().unwrap();
    let der = key.to_pkcs8_der().unwrap();
    let wrapping = WrappingKey::rsa(id.clone(), key.public_key());
    pair(c, "RSA-OAEP-256", &wrapping, &UnwrappingKey::rsa(id, key));

    c.bench_function("RSA-2048/read PKCS#8", |b| {
        b.iter(|| PrivateKey::from_pkcs8_der(black_box(der.expose())).unwrap());
    });
}

fn rsa_generate(c: &mut Criterion) {
    let mut group = c.benchmark_group("RSA-2048");
    group.sample_size(10);
    group.bench_function("generate", |b| b.iter(|| PrivateKey::generate().unwrap()));
    group.finish();
}

criterion_group!(benches, a256kw, rsa_oaep_256, rsa_generate);
criterion_main!(benches);
