//! AES-256-GCM on each tier, by length of the text.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that fails should stop")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use strongroom::backend::Backend;
use strongroom::gcm::Aes256Gcm;

const LENGTHS: [usize; 8] = [64, 256, 1024, 4096, 16_384, 65_536, 1 << 20, 16 << 20];

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gcm/seal");
    for length in LENGTHS {
        group.throughput(Throughput::Bytes(length as u64));
        for backend in Backend::available() {
            let cipher = Aes256Gcm::with_backend(&[7; 32], backend);
            let mut text = vec![1; length];
            let id = BenchmarkId::new(backend.name(), length);
            group.bench_function(id, |bencher| {
                bencher.iter(|| cipher.seal_in_place(black_box(&[3; 12]), b"", &mut text).unwrap());
            });
        }
    }
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gcm/open");
    for length in LENGTHS {
        group.throughput(Throughput::Bytes(length as u64));
        for backend in Backend::available() {
            let cipher = Aes256Gcm::with_backend(&[7; 32], backend);
            let mut sealed = vec![1; length];
            let tag = cipher.seal_in_place(&[3; 12], b"", &mut sealed).unwrap();
            let mut text = vec![0; length];
            let id = BenchmarkId::new(backend.name(), length);
            group.bench_function(id, |bencher| {
                bencher.iter(|| cipher.open_into(&[3; 12], b"", &sealed, &mut text, &tag).unwrap());
            });
        }
    }
}

fn new(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gcm/new");
    for backend in Backend::available() {
        group.bench_function(backend.name(), |bencher| {
            bencher.iter(|| Aes256Gcm::with_backend(black_box(&[7; 32]), backend));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = seal, open, new
}
criterion_main!(benches);
