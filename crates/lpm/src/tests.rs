use super::*;
use proptest::prelude::*;

/// The longest, by a linear search; of equal ones the first.
fn linear<A: Address>(entries: &[Entry<A, u32>], address: A) -> Option<u32> {
    let mut found: Option<&Entry<A, u32>> = None;
    for entry in entries.iter().filter(|entry| entry.covers(address)) {
        if found.is_none_or(|found| found.len() < entry.len()) {
            found = Some(entry);
        }
    }
    found.map(|entry| *entry.value())
}

/// All that cover the address, from the longest on; of equal ones the first.
fn linear_all<A: Address>(entries: &[Entry<A, u32>], address: A) -> Vec<u32> {
    let mut all: Vec<_> = entries.iter().filter(|entry| entry.covers(address)).collect();
    all.sort_by_key(|entry| std::cmp::Reverse(entry.len()));
    all.dedup_by_key(|entry| entry.len());
    all.into_iter().map(|entry| *entry.value()).collect()
}

fn agree<A: Address>(entries: &[Entry<A, u32>], addresses: &[A]) {
    let sorted = Sorted::new(entries.to_vec());
    let trie = Trie::new(&sorted).unwrap();
    let map = PrefixMap::new(sorted).unwrap();
    let mut many = vec![0; addresses.len()];
    trie.lookup_many(addresses, &mut many);
    for (address, many) in addresses.iter().zip(many) {
        let wanted = linear(entries, *address);
        assert_eq!(trie.lookup(*address), wanted, "{address:x?} in {entries:x?}");
        assert_eq!(many, wanted.unwrap_or(NONE), "{address:x?} in {entries:x?}");
        let all: Vec<_> = map.covering(*address).map(|entry| *entry.value()).collect();
        assert_eq!(all, linear_all(entries, *address), "{address:x?} in {entries:x?}");
        assert!(all.len() <= map.depth());
        assert_eq!(map.longest(*address).map(|entry| *entry.value()), wanted, "{address:x?} in {entries:x?}");
    }
    for entry in entries.iter().step_by(entries.len() / 40 + 1) {
        let found = map.index_of(entry.bits(), entry.len()).and_then(|index| map.entry(index)).unwrap();
        let first = entries.iter().find(|other| other.key() == entry.key());
        assert_eq!(Some(found), first, "{entry:x?} in {entries:x?}");
    }
}

/// Addresses at and around the ends of the prefixes.
fn edges<A: Address>(entries: &[Entry<A, u32>], neighbours: impl Fn(A, u8) -> [A; 4]) -> Vec<A> {
    entries.iter().flat_map(|entry| neighbours(entry.bits(), entry.len())).collect()
}

fn neighbours4(first: u32, len: u8) -> [u32; 4] {
    let last = first | u32::MAX.checked_shr(len.into()).unwrap_or(0);
    [first, first.wrapping_sub(1), last, last.wrapping_add(1)]
}

fn neighbours6(first: u128, len: u8) -> [u128; 4] {
    let last = first | u128::MAX.checked_shr(len.into()).unwrap_or(0);
    [first, first.wrapping_sub(1), last, last.wrapping_add(1)]
}

/// Few different bits, so that prefixes cover each other, are adjacent, and repeat.
fn near(bits: u32) -> impl Strategy<Value = u128> {
    let few = prop::collection::vec((0..bits, any::<bool>()), 0..5);
    (few, prop::sample::select(vec![0, 0x0a00_0000, 0x2001_0db8, u128::MAX])).prop_map(move |(few, base)| {
        let base = if base == u128::MAX { base } else { base << (bits - 32) };
        few.into_iter().fold(base, |address, (bit, one)| address & !(1 << bit) | u128::from(one) << bit)
    })
}

#[test]
fn an_empty_trie_finds_nothing() {
    agree::<u32>(&[], &[0, 1, u32::MAX]);
    agree::<u128>(&[], &[0, 1, u128::MAX]);
    assert_eq!(Trie::<u128>::default().lookup(1), None);
}

#[test]
fn the_longest_of_nested_prefixes_is_found() {
    let prefix = |address: [u8; 4], len, value| Entry::new(u32::from_be_bytes(address), len, value);
    let entries = [
        prefix([0, 0, 0, 0], 0, 1),
        prefix([10, 0, 0, 0], 8, 2),
        prefix([10, 1, 0, 0], 16, 3),
        prefix([10, 1, 2, 0], 24, 4),
        prefix([10, 1, 2, 3], 32, 5),
        prefix([10, 1, 2, 128], 25, 6),
        prefix([255, 255, 255, 255], 32, 7),
        prefix([10, 1, 9, 9], 16, 8),
    ];
    let trie = Trie::new(&Sorted::new(entries.to_vec())).unwrap();
    for (address, value) in [
        ([10, 1, 2, 3], 5),
        ([10, 1, 2, 4], 4),
        ([10, 1, 2, 200], 6),
        ([10, 1, 3, 1], 3),
        ([10, 2, 0, 0], 2),
        ([11, 0, 0, 0], 1),
        ([255, 255, 255, 255], 7),
    ] {
        assert_eq!(trie.lookup(u32::from_be_bytes(address)), Some(value), "{address:?}");
    }
    agree(&entries, &edges(&entries, neighbours4));
    assert_eq!(Sorted::new(entries.to_vec()).repeated(), 1);
}

#[test]
fn the_rest_of_a_longer_slice_is_ignored() {
    let trie = Trie::new(&Sorted::new(vec![Entry::new(0_u32, 0, 3)])).unwrap();
    let mut out = [9; 20];
    trie.lookup_many(&[1; 18], &mut out);
    assert_eq!((out[17], out[18]), (3, 9));
    trie.lookup_many(&[1; 30], &mut out);
    assert_eq!(out, [3; 20]);
}

#[test]
fn values_have_a_limit() {
    let build = |value| Trie::new(&Sorted::new(vec![Entry::new(0_u128, 128, value)]));
    assert_eq!(build(LIMIT - 1).unwrap().lookup(0), Some(LIMIT - 1));
    assert_eq!(build(LIMIT).unwrap_err(), TooLarge);
}

#[test]
fn all_sizes_of_the_root_table_work() {
    // Multiplied by odd numbers, counters spread over all addresses without repeating.
    let entries: Vec<_> =
        (0_u32..20_000).map(|n| Entry::new(n.wrapping_mul(0x9e37_79b1), (n % 33) as u8, n)).collect();
    let wide = |n: u32| u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let entries6: Vec<_> = (0_u32..20_000).map(|n| Entry::new(wide(n), (n % 129) as u8, n)).collect();
    for count in [1, 300, 20_000] {
        let (few, few6) = (&entries[..count], &entries6[..count]);
        let step = count / 40 + 1;
        let picked: Vec<_> = few.iter().step_by(step).copied().collect();
        let picked6: Vec<_> = few6.iter().step_by(step).copied().collect();
        agree(few, &edges(&picked, neighbours4));
        agree(few6, &edges(&picked6, neighbours6));
    }
}

proptest! {
    #[test]
    fn an_ipv4_trie_agrees_with_a_linear_search(
        list in prop::collection::vec((near(32), 0_u8..=32), 0..40),
        more in prop::collection::vec(near(32), 0..20),
    ) {
        let entries: Vec<_> =
            list.into_iter().zip(0..).map(|((bits, len), n)| Entry::new(bits as u32, len, n)).collect();
        let mut addresses = edges(&entries, neighbours4);
        addresses.extend(more.into_iter().map(|bits| bits as u32));
        agree(&entries, &addresses);
    }

    #[test]
    fn an_ipv6_trie_agrees_with_a_linear_search(
        list in prop::collection::vec((near(128), 0_u8..=128), 0..40),
        more in prop::collection::vec(near(128), 0..20),
    ) {
        let entries: Vec<_> = list.into_iter().zip(0..).map(|((bits, len), n)| Entry::new(bits, len, n)).collect();
        let mut addresses = edges(&entries, neighbours6);
        addresses.extend(more);
        agree(&entries, &addresses);
    }
}
