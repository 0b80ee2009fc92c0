//! Whole documents: sealing and opening in parallel, and what the header costs.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that fails should stop")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use strongroom::document::{Header, OpenOptions, PlaintextLen, SealOptions, Sealer};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const LENGTHS: [usize; 4] = [4096, 1 << 20, 16 << 20, 256 << 20];

fn key_id() -> KeyId {
    KeyId::new("vault/benchmark/1").unwrap()
}

fn wrapping() -> [WrappingKey; 1] {
    [WrappingKey::aes(key_id(), Secret::copy_from(&[7; 32]))]
}

fn unwrapping() -> [UnwrappingKey; 1] {
    [UnwrappingKey::aes(key_id(), Secret::copy_from(&[7; 32]))]
}

fn sealer(length: usize) -> Sealer {
    Sealer::new(PlaintextLen::Known(length as u64), &wrapping(), &SealOptions::default()).unwrap()
}

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document/seal");
    for length in LENGTHS {
        group.throughput(Throughput::Bytes(length as u64));
        let text = vec![1; length];
        let mut sealed = sealer(length).seal_slice(&text).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let id = BenchmarkId::new(format!("{threads} threads"), length);
            group.bench_function(id, |bencher| {
                pool.install(|| {
                    bencher.iter(|| sealer(length).seal_into(&text, &mut sealed).unwrap());
                });
            });
        }
    }
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document/open");
    for length in LENGTHS {
        group.throughput(Throughput::Bytes(length as u64));
        let mut text = vec![1; length];
        let sealed = sealer(length).seal_slice(&text).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let id = BenchmarkId::new(format!("{threads} threads"), length);
            group.bench_function(id, |bencher| {
                pool.install(|| {
                    bencher.iter(|| {
                        let header = Header::parse(&sealed).unwrap();
                        let opener =
                            header.unlock_with(&unwrapping(), &OpenOptions::default()).unwrap();
                        opener.open_into(&sealed, &mut text).unwrap();
                    });
                });
            });
        }
    }
}

fn header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document/header");
    let sealed = sealer(4).seal_slice(b"text").unwrap();
    group.bench_function("new", |bencher| bencher.iter(|| sealer(black_box(4))));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Header::parse(black_box(&sealed)).unwrap());
    });
    let header = Header::parse(&sealed).unwrap();
    let (keys, options) = (unwrapping(), OpenOptions::default());
    group.bench_function("unlock", |bencher| {
        bencher.iter(|| header.unlock_with(black_box(&keys), &options).unwrap());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = seal, open, header
}
criterion_main!(benches);
