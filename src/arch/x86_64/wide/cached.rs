//! States whose first AES round or two come from a counter cache: see `counter_cache.rs`.

/// Runs `$groups` on groups whose first `$rounds` rounds come from `$cache`: `$states` there is the closure
/// that gives each group its states. The result is a fault where the entries used were not sound.
///
/// `$reloaded` is the key that the differences of the next 256 counters are computed with.
macro_rules! with_cached_states {
    (
        $key:ident, $cache:ident, $rounds:ident, $pre_counter_block:ident, $reloaded:expr,
        $states:ident => $groups:expr
    ) => {{
        let mut differences = Differences::<$rounds>::new($pre_counter_block);
        let mut difference = broadcast(differences.next(&$key.round_keys));
        let mut done = 0;
        let mut used = zero();
        let mut sound = true;
        let $states = || {
            let mut states = load_group($cache.group(done));
            if $rounds == 1 {
                used = states.iter().fold(used, |used, entry| xor(used, *entry));
            }
            let current = difference;
            let mut last = difference;
            done += GROUP_BLOCKS;
            if done % ENTRIES == 0 {
                let key = $reloaded;
                difference = broadcast(differences.next(&key.round_keys));
                last = last_difference(current, difference);
                if $rounds == 1 {
                    sound &= CounterCache::<1>::is_sound_in_all(number(xor_lanes(used)));
                    used = zero();
                }
            }
            for (vector, state) in states.iter_mut().enumerate() {
                let difference = if vector == GROUP - 1 { last } else { current };
                *state = xor(*state, difference);
            }
            states
        };
        let message = $groups;
        sound &= $rounds != 1 || CounterCache::<1>::is_sound(number(xor_lanes(used)));
        if sound { Ok(message) } else { Err(Fault) }
    }};
}

/// The functions over whole caches of a tier with these features.
macro_rules! whole_caches {
    ($features:literal) => {
        /// True where no bit of the cache has flipped.
        #[inline]
        #[target_feature(enable = $features)]
        fn is_sound(cache: &CounterCache<2>) -> bool {
            // As if it were another table: what was written to it must be read again.
            let cache = reload(cache);
            let sum = sum_of_entries!(cache, GROUP, GROUP_BLOCKS, load_group, zero(), xor);
            CounterCache::<2>::is_sound_in_all(number(xor_lanes(sum)))
        }

        /// Fills a cache of two rounds from that of one. A flipped bit in that one would be seen in this.
        #[target_feature(enable = $features)]
        fn fill_second_round(
            key: &Key,
            first_round: &CounterCache<1>,
            cache: &mut CounterCache<2>,
        ) {
            let base = after_round::<1>(&key.round_keys, cache.base_block());
            // A round ends with the XOR of its key: here that subtracts T[0].
            let first = _mm_aesenc_si128(base, _mm_setzero_si128());
            let (base, first) = (broadcast(base), broadcast(first));
            let after_one = first_round.entries().as_flattened().as_chunks().0;
            let after_two = cache.entries_mut().as_flattened_mut().as_chunks_mut().0;
            for (after_two, after_one) in after_two.iter_mut().zip(after_one) {
                let state = load_vector(after_one);
                store_vector(after_two, aes_round(xor(state, base), first));
            }
        }
    };
}

pub(in crate::arch::x86_64) use {whole_caches, with_cached_states};
