//! The heap of the process.

/// Returns free memory to the system, after large structures were freed: the allocator keeps it otherwise. Takes some milliseconds for
/// each 100 MB that are free, during which other threads can wait for memory.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointers, and may be called by any thread at any time (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    /// Resident bytes of this process.
    fn resident() -> u64 {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    #[test]
    fn freed_memory_is_given_back() {
        let blocks: Vec<Vec<u8>> = (0..100_000).map(|_| vec![1; 1000]).collect();
        // It keeps the top of the heap from shrinking by itself.
        let last = vec![1_u8; 1000];
        let full = resident();
        drop(blocks);
        super::give_back();
        let after = resident();
        assert!(after + 50_000_000 < full, "{full} bytes before, {after} after");
        drop(last);
    }
}
