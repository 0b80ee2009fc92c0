//! A text from its lengths to its tag: whole groups, then the tail.

/// The operation of a tier with these features; see [`Kernel::crypt`](crate::arch::Kernel::crypt).
macro_rules! crypt {
    ($features:literal) => {
        #[target_feature(enable = $features)]
        fn crypt<const DIRECTION: bool>(
            key: &Key,
            hints: Hints<'_>,
            pre_counter_block: u128,
            associated_data: &[u8],
            buffer: InOutBuf<'_, '_, u8>,
        ) -> Result<[u8; 16], Fault> {
            let text_len = buffer.len();
            let lengths = reversed_block(length_block(associated_data.len(), text_len));
            let blocks =
                associated_data.len().div_ceil(BLOCK_LEN) + text_len.div_ceil(BLOCK_LEN) + 1;
            let (tail, rest) = if text_len < GROUP_LEN && blocks <= POWERS {
                let mut tail = Tail::new(key, blocks, lengths);
                tail.absorb_padded(associated_data);
                (tail, buffer)
            } else {
                let hash = absorb_padded(key, _mm_setzero_si128(), associated_data);
                let message = Message { hash, lengths, rest: buffer };
                let message = groups::<DIRECTION>(key, hints, pre_counter_block, message)?;
                if message.rest.is_empty() && text_len > 0 {
                    return Ok(tag(&key.round_keys, pre_counter_block, message.hash));
                }
                let mut tail = Tail::new(key, message.rest.len().div_ceil(BLOCK_LEN) + 1, lengths);
                tail.carry(message.hash);
                (tail, message.rest)
            };
            let done = (text_len - rest.len()) / BLOCK_LEN;
            let hash = tail.finish::<DIRECTION>(counters(pre_counter_block, done), rest);
            Ok(tag(&key.round_keys, pre_counter_block, hash))
        }
    };
}

pub(in crate::arch::x86_64) use crypt;
