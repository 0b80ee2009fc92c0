//! The background loop: what is in use is asked for again before its time is up.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use super::{CacheKey, Shared};

/// Leaves refreshing to others when the loop is dropped.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}

pub(super) async fn run(shared: Arc<Shared>) {
    while shared.running.swap(true, Ordering::AcqRel) {
        shared.clock.sleep(shared.settings.refresh).await; // until the other one is dropped
    }
    let _running = Running(Arc::clone(&shared));
    let mut flights = FuturesUnordered::new();
    let mut under_way: BTreeSet<CacheKey> = BTreeSet::new();
    loop {
        let now = shared.clock.elapsed();
        // No entry that comes later is due earlier than that.
        let mut wake = now.saturating_add(shared.settings.refresh);
        for entry in shared.each() {
            let Some(due) = entry.due(&shared) else {
                shared.forget(&entry.root);
                continue;
            };
            if due > now {
                wake = wake.min(due);
            } else if !under_way.contains(&entry.root) {
                under_way.insert(entry.root.clone());
                let flight = entry.flight(&shared);
                let root = entry.root.clone();
                flights.push(async move {
                    // The entry knows how it ended.
                    let _result = flight.await;
                    root
                });
            }
        }
        let pause = wake.saturating_sub(now).max(Duration::from_millis(1));
        if flights.is_empty() {
            shared.clock.sleep(pause).await;
        } else if let Either::Left((Some(root), _)) =
            select(flights.next(), pin!(shared.clock.sleep(pause))).await
        {
            under_way.remove(&root);
        }
    }
}

impl Shared {
    /// Drops an entry that nobody uses, with its keys.
    fn forget(&self, root: &CacheKey) {
        let mut entries = self.lock_entries();
        // Somebody may have taken it a moment ago: the map's and this loop's are two.
        if entries.get(root).is_some_and(|entry| Arc::strong_count(entry) <= 2) {
            entries.remove(root);
        }
    }
}
