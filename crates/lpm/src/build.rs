//! Builds a trie from a sorted list: one part at a time, each the prefixes below one slot.

use crate::address::Address;
use crate::{ANSWER, COMPARES, ENDS, Entry, LIMIT, NONE, Node, STRIDE, TooLarge, Trie};
use std::marker::PhantomData;
use std::ops::Range;

/// Slots of a node.
const SLOTS: usize = 1 << STRIDE;

/// Bits that index the root table: a multiple of a node's, so that the nodes of an IPv4 trie end at bit 24.
fn root_bits(prefixes: usize) -> u32 {
    match prefixes {
        0..256 => STRIDE,
        256..16_384 => 2 * STRIDE,
        _ => 3 * STRIDE,
    }
}

/// Builds the trie of prefixes in the order of a sorted list.
pub(super) fn trie<A: Address>(entries: &[Entry<A, u32>]) -> Result<Trie<A>, TooLarge> {
    if entries.is_empty() {
        return Ok(Trie::default());
    }
    if entries.iter().any(|entry| *entry.value() >= LIMIT) {
        return Err(TooLarge);
    }
    let root_bits = root_bits(entries.len());
    let mut builder = Builder { nodes: Vec::new(), leaves: Vec::new() };
    let mut parts = Parts::new();
    let mut root = vec![NONE; 1 << root_bits].into_boxed_slice();
    split(entries, 0, root_bits, &mut root, &mut parts);
    for (slot, part) in parts {
        let Some(entry) = root.get_mut(slot) else { continue };
        let Some(part) = entries.get(part) else { continue };
        let answer = std::mem::replace(entry, builder.reserve(1)?);
        builder.fill(*entry, part, root_bits, answer)?;
    }
    Ok(Trie {
        root,
        root_bits,
        nodes: builder.nodes.into_boxed_slice(),
        leaves: builder.leaves.into_boxed_slice(),
        family: PhantomData,
    })
}

/// The slots with prefixes longer than `from + count`, each with its part of `entries`.
type Parts = Vec<(usize, Range<usize>)>;

/// Distributes prefixes that share their first `from` bits over the slots of the next `count` bits: short ones set
/// the answers of their slots, longer ones are collected in `parts`.
fn split<A: Address>(entries: &[Entry<A, u32>], from: u32, count: u32, answers: &mut [u32], parts: &mut Parts) {
    let end = from + count;
    for (number, entry) in entries.iter().enumerate() {
        let slot = entry.bits().slice(from, count);
        let len = u32::from(entry.len());
        if len <= end {
            // In the list's order, prefixes inside this one follow it, and overwrite its slots.
            let slots = slot..slot + (1 << (end - len));
            answers.get_mut(slots).into_iter().flatten().for_each(|answer| *answer = *entry.value() | ANSWER);
        } else {
            match parts.last_mut() {
                Some((last, part)) if *last == slot => part.end = number + 1,
                _ => parts.push((slot, number..number + 1)),
            }
        }
    }
}

struct Builder {
    nodes: Vec<Node>,
    leaves: Vec<u32>,
}

impl Builder {
    /// Allocates `count` consecutive nodes; returns the number of the first.
    fn reserve(&mut self, count: usize) -> Result<u32, TooLarge> {
        let first = self.nodes.len();
        let end = first + count;
        if end >= LIMIT as usize || self.leaves.len() >= u32::MAX as usize - SLOTS {
            return Err(TooLarge);
        }
        self.nodes.resize(end, Node::default());
        Ok(first as u32)
    }

    fn set(&mut self, number: u32, node: Node) {
        if let Some(to) = self.nodes.get_mut(number as usize) {
            *to = node;
        }
    }

    /// Builds node `number` for at least one prefix; all share their first `from` bits and are longer.
    /// `covering` is the answer of the prefix that covers them.
    fn fill<A: Address>(
        &mut self,
        number: u32,
        entries: &[Entry<A, u32>],
        from: u32,
        around: u32,
    ) -> Result<(), TooLarge> {
        if let (true, Some((first, rest)), Some(last)) = (A::SKIPS, entries.split_first(), entries.last()) {
            // None is shorter than the first: a shorter one with bits shared by both ends would precede it.
            let common = first.bits().common(last.bits()).min(first.len().into()) - from;
            if common > STRIDE || rest.is_empty() {
                return self.compare(number, entries, from, common.min(u64::BITS), around);
            }
        }
        let mut answers = [around; SLOTS];
        let mut parts = Parts::new();
        split(entries, from, STRIDE, &mut answers, &mut parts);
        let mut node = Node { nodes: self.reserve(parts.len())?, ..Node::default() };
        for (slot, _) in &parts {
            node.inner |= 1 << slot;
        }
        node.leaves = self.leaves.len() as u32;
        let mut run = None;
        for (slot, answer) in answers.iter().enumerate() {
            if node.inner >> slot & 1 == 0 && run != Some(*answer) {
                node.starts |= 1 << slot;
                self.leaves.push(*answer);
                run = Some(*answer);
            }
        }
        self.set(number, node);
        for (child, (slot, part)) in (node.nodes..).zip(parts) {
            if let (Some(part), Some(answer)) = (entries.get(part), answers.get(slot)) {
                self.fill(child, part, from + STRIDE, *answer)?;
            }
        }
        Ok(())
    }

    /// Builds node `number`, which compares `count` bits, and the nodes after them.
    fn compare<A: Address>(
        &mut self,
        number: u32,
        entries: &[Entry<A, u32>],
        from: u32,
        count: u32,
        around: u32,
    ) -> Result<(), TooLarge> {
        let Some((first, rest)) = entries.split_first() else { return Ok(()) };
        let starts = u64::MAX << (u64::BITS - count);
        let mut node = Node { inner: first.bits().window(from) & starts, starts, nodes: COMPARES, leaves: around };
        let end = from + count;
        let (inside, entries) =
            if u32::from(first.len()) == end { (*first.value() | ANSWER, rest) } else { (around, entries) };
        if entries.is_empty() {
            node.nodes |= ENDS | *first.value();
            self.set(number, node);
            return Ok(());
        }
        let next = self.reserve(1)?;
        node.nodes |= next;
        self.set(number, node);
        self.fill(next, entries, end, inside)
    }
}
