//! A table of prefixes: finds the prefixes that cover an address, from the longest to the shortest.
//!
//! The tree is a *tree bitmap*: W. Eatherton, G. Varghese and Z. Dittia, "Tree Bitmap: Hardware/Software IP Lookups with
//! Incremental Updates", ACM SIGCOMM Computer Communication Review, 2004. A node covers 6 bits of an address. It has a bitmap of the 63
//! prefixes with 0 to 5 further bits, and one of its 64 possible children. The lists of routes and the children lie in arrays without
//! gaps; counting the ones below a bit gives its index.
//!
//! Beyond the paper, paths are compressed: only nodes that have prefixes or at least two children exist, and each node says
//! where it is. So there are at most twice as many nodes as prefixes, however long these are, and an IPv6 address meets few
//! nodes.

use crate::address::{Address, COVERING, PREFIXES, STRIDE, node_depth, position};
use crate::routes::List;
use crate::trash::Trash;

/// Lookups that are interleaved.
const LANES: usize = 16;

/// Prefixes of one family with their routes.
#[derive(Debug)]
pub(crate) struct Tree<A: Address> {
    /// Routes of the prefix of length 0.
    default: List,
    /// By the first bit of an address. These two nodes always exist.
    roots: [Node<A>; 2],
    /// Prefixes that have routes.
    prefixes: usize,
    /// Nodes beside the roots.
    nodes: usize,
    /// Bytes of the lists beside the nodes.
    lists: usize,
}

/// Six bits of the addresses below a prefix.
#[derive(Debug)]
pub(crate) struct Node<A: Address> {
    /// Which prefixes have routes, by [`position`].
    prefixes: u64,
    /// Which slots lead to a child.
    children: u64,
    lists: Box<[List]>,
    nodes: Box<[Self]>,
    /// The first bits of all addresses below this node.
    bits: A::Packed,
    /// How many bits these are: 1, 7, 13, ...
    depth: u8,
}

/// Which prefixes a walk visits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<A> {
    /// Only prefixes that this one covers.
    pub(crate) within: (A, u8),
    /// Only prefixes after this one.
    pub(crate) after: Option<(A, u8)>,
}

/// How many of the bits below bit `at` are set; that is an index, if bit `at` is one.
#[inline]
fn rank(bitmap: u64, at: u32) -> usize {
    (bitmap & !(u64::MAX << at)).count_ones() as usize
}

/// Inserts into a slice without spare room: nodes change seldom compared to how many there are.
fn insert<T>(slice: &mut Box<[T]>, at: usize, new: T, trash: &mut Vec<Vec<T>>) {
    let mut old = std::mem::take(slice).into_vec();
    let mut items = Vec::with_capacity(old.len() + 1);
    items.extend(old.drain(..at.min(old.len())));
    items.push(new);
    items.append(&mut old);
    *slice = items.into_boxed_slice();
    discard(old, trash);
}

/// Removes from a slice without spare room.
fn remove<T>(slice: &mut Box<[T]>, at: usize, trash: &mut Vec<Vec<T>>) {
    let mut old = std::mem::take(slice).into_vec();
    if at < old.len() {
        let mut items = Vec::with_capacity(old.len() - 1);
        items.extend(old.drain(..at));
        items.extend(old.drain(1..));
        *slice = items.into_boxed_slice();
        old.clear();
        discard(old, trash);
    } else {
        *slice = old.into_boxed_slice();
    }
}

/// Keeps the memory of an empty vector to be freed later.
fn discard<T>(old: Vec<T>, trash: &mut Vec<Vec<T>>) {
    if old.capacity() > 0 {
        trash.push(old);
    }
}

impl<A: Address> Node<A> {
    fn new(bits: A, depth: u8) -> Self {
        let bits = bits.truncated(depth).pack();
        Self { prefixes: 0, children: 0, lists: Box::default(), nodes: Box::default(), bits, depth }
    }

    #[inline]
    fn bits(&self) -> A {
        A::unpack(self.bits)
    }

    /// The child of a slot, if the node has one.
    #[inline]
    fn child(&self, slot: u8) -> Option<&Self> {
        if self.children >> slot & 1 == 0 {
            return None;
        }
        self.nodes.get(rank(self.children, u32::from(slot)))
    }

    /// The child on the way to an address.
    #[inline]
    fn next(&self, address: A) -> Option<&Self> {
        self.child(address.slot(self.depth)).filter(|child| child.bits().shares(address, child.depth))
    }

    /// The prefixes of this node that cover an address, as a bitmap.
    #[inline]
    fn covering(&self, address: A) -> u64 {
        self.prefixes & COVERING.get(usize::from(address.slot(self.depth) >> 1)).copied().unwrap_or(0)
    }

    #[inline]
    fn list(&self, position: u32) -> Option<&List> {
        self.lists.get(rank(self.prefixes, position))
    }

    /// Length of the prefix at a position.
    #[inline]
    fn length(&self, position: u32) -> u8 {
        self.depth + PREFIXES.get(position as usize).map_or(0, |(_, level)| *level)
    }

    /// As [`Tree::find`].
    fn find<'a, R>(&'a self, address: A, max: u8, f: &mut impl FnMut(u8, &'a List) -> Option<R>) -> Option<R> {
        if let Some(child) = self.next(address)
            && child.depth <= max
            && let Some(found) = child.find(address, max, f)
        {
            return Some(found);
        }
        let mut covering = self.covering(address);
        while covering != 0 {
            let position = covering.ilog2();
            covering ^= 1 << position;
            let length = self.length(position);
            if length <= max
                && let Some(list) = self.list(position)
                && let Some(found) = f(length, list)
            {
                return Some(found);
            }
        }
        None
    }

    /// The node of a depth on the way to an address, created if it is missing.
    fn make(&mut self, bits: A, depth: u8, nodes: &mut usize, trash: &mut Trash) -> Option<&mut Self> {
        if self.depth >= depth {
            return Some(self);
        }
        let slot = bits.slot(self.depth);
        let at = rank(self.children, u32::from(slot));
        if self.children >> slot & 1 == 0 {
            insert(&mut self.nodes, at, Self::new(bits, depth), A::nodes(trash));
            self.children |= 1 << slot;
            *nodes += 1;
        } else if let Some(child) = self.nodes.get_mut(at) {
            let common = child.bits().common(bits).min(depth);
            if common < child.depth {
                // The paths part before the child, or the wanted node is above it.
                let between = Self::new(bits, node_depth(common));
                let below = std::mem::replace(child, between);
                child.children = 1 << below.bits().slot(child.depth);
                child.nodes = Box::new([below]);
                *nodes += 1;
            }
        }
        self.nodes.get_mut(at)?.make(bits, depth, nodes, trash)
    }

    /// The list of a prefix, created if it is missing. The node has the depth of the prefix.
    fn make_list(&mut self, position: u32, prefixes: &mut usize, trash: &mut Trash) -> Option<&mut List> {
        let at = rank(self.prefixes, position);
        if self.prefixes >> position & 1 == 0 {
            insert(&mut self.lists, at, List::default(), &mut trash.lists);
            self.prefixes |= 1 << position;
            *prefixes += 1;
        }
        self.lists.get_mut(at)
    }

    /// Changes the list of a prefix, and removes what is no longer needed.
    fn change<R>(
        &mut self,
        bits: A,
        len: u8,
        counts: (&mut usize, &mut usize),
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        let slot = bits.slot(self.depth);
        if self.depth >= node_depth(len) {
            let position = position(slot, len.saturating_sub(self.depth));
            if self.prefixes >> position & 1 == 0 {
                return None;
            }
            let at = rank(self.prefixes, position);
            let list = self.lists.get_mut(at)?;
            let result = f(list, trash);
            if list.is_empty() {
                remove(&mut self.lists, at, &mut trash.lists);
                self.prefixes ^= 1 << position;
                *counts.1 -= 1;
            }
            return Some(result);
        }
        if self.children >> slot & 1 == 0 {
            return None;
        }
        let at = rank(self.children, u32::from(slot));
        let child = self.nodes.get_mut(at)?;
        if child.depth > len || !child.bits().shares(bits, child.depth) {
            return None;
        }
        let nodes = counts.0;
        let result = child.change(bits, len, (&mut *nodes, counts.1), trash, f);
        if child.prefixes == 0 && child.nodes.len() < 2 {
            *nodes -= 1;
            let mut below = std::mem::take(&mut child.nodes).into_vec();
            match below.pop() {
                Some(only) => {
                    *child = only;
                    discard(below, A::nodes(trash));
                }
                None => {
                    remove(&mut self.nodes, at, A::nodes(trash));
                    self.children ^= 1 << slot;
                }
            }
        }
        result
    }

    /// As [`Tree::walk`].
    fn walk<'a>(&'a self, range: Range<A>, f: &mut impl FnMut(A, u8, &'a List) -> bool) -> bool {
        let bits = self.bits();
        let (within, len) = range.within;
        let (mut prefixes, mut children) = (self.prefixes, self.children);
        if within.common(bits) < len.min(self.depth) {
            return true;
        }
        if let Some(level @ 1..) = len.checked_sub(self.depth) {
            let slot = u32::from(within.slot(self.depth));
            if level < STRIDE {
                // The prefixes below one are those at the positions after it, and its slots are neighbours, too.
                let below = 1_u64 << (STRIDE - level);
                prefixes &= ((1 << (below - 1)) - 1) << position(slot as u8, level);
                children &= ((1 << below) - 1) << slot;
            } else {
                prefixes = 0;
                children &= 1 << slot;
            }
        }
        match range.after {
            Some((after, len)) if len >= self.depth && after.common(bits) >= self.depth => {
                let level = (len - self.depth).min(STRIDE - 1);
                let slot = after.slot(self.depth);
                children &= u64::MAX << slot;
                prefixes &= u64::MAX << 1 << position(slot & !(0x3f >> level), level);
            }
            Some((after, _)) if after > bits => return true,
            _ => {}
        }
        loop {
            let prefix = prefixes.trailing_zeros();
            let slot = children.trailing_zeros();
            if slot < 64 && position(slot as u8 & !1, STRIDE - 1) < prefix {
                children &= children - 1;
                if let Some(child) = self.child(slot as u8)
                    && !child.walk(range, f)
                {
                    return false;
                }
            } else if let Some(&(slot, level)) = PREFIXES.get(prefix as usize) {
                prefixes &= prefixes - 1;
                if let Some(list) = self.list(prefix)
                    && !f(self.prefix_bits(slot), self.depth + level, list)
                {
                    return false;
                }
            } else {
                return true;
            }
        }
    }

    fn prefix_bits(&self, slot: u8) -> A {
        A::of_bits(self.bits().bits() | A::of_slot(slot, self.depth).bits())
    }
}

impl<A: Address> Default for Tree<A> {
    fn default() -> Self {
        let roots = [Node::new(A::default(), 1), Node::new(A::of_slot(32, 0), 1)];
        Self { default: List::default(), roots, prefixes: 0, nodes: 0, lists: 0 }
    }
}

impl<A: Address> Tree<A> {
    #[inline]
    fn root(&self, address: A) -> &Node<A> {
        let [zero, one] = &self.roots;
        if address.slot(0) < 32 { zero } else { one }
    }

    fn root_mut(&mut self, address: A) -> &mut Node<A> {
        let [zero, one] = &mut self.roots;
        if address.slot(0) < 32 { zero } else { one }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.prefixes == 0
    }

    /// Prefixes that have routes.
    pub(crate) const fn len(&self) -> usize {
        self.prefixes
    }

    /// Estimate of the bytes of memory.
    pub(crate) const fn bytes(&self) -> usize {
        // A node has two arrays, and an allocator adds 8 bytes to each and rounds up to 16.
        size_of::<Self>()
            + self.nodes * (size_of::<Node<A>>() + 24)
            + self.prefixes * size_of::<List>()
            + self.lists
    }

    /// Calls `f` with the length and the routes of each prefix of at most `max` bits that covers the address, from the longest to
    /// the shortest, until it returns something.
    #[inline]
    pub(crate) fn find<'a, R>(
        &'a self,
        address: A,
        max: u8,
        mut f: impl FnMut(u8, &'a List) -> Option<R>,
    ) -> Option<R> {
        let found = if max == 0 { None } else { self.root(address).find(address, max, &mut f) };
        found.or_else(|| if self.default.is_empty() { None } else { f(0, &self.default) })
    }

    /// Writes the longest prefix that covers an address, and its routes, for each address; lookups are interleaved, so that their
    /// memory accesses overlap. What is left of the longer slice is ignored.
    pub(crate) fn longest_many<'a>(&'a self, addresses: &[A], out: &mut [Option<(u8, &'a List)>]) {
        for (addresses, out) in addresses.chunks(LANES).zip(out.chunks_mut(LANES)) {
            self.longest_lanes(addresses, out);
        }
    }

    #[inline]
    fn longest_lanes<'a>(&'a self, addresses: &[A], out: &mut [Option<(u8, &'a List)>]) {
        let mut lanes: [Option<&'a Node<A>>; LANES] = [None; LANES];
        let mut best: [(Option<&'a Node<A>>, u64); LANES] = [(None, 0); LANES];
        for (lane, address) in lanes.iter_mut().zip(addresses) {
            *lane = Some(self.root(*address));
        }
        let mut going = true;
        while going {
            going = false;
            for ((lane, best), address) in lanes.iter_mut().zip(&mut best).zip(addresses) {
                if let Some(node) = *lane {
                    let covering = node.covering(*address);
                    if covering != 0 {
                        *best = (Some(node), covering);
                    }
                    *lane = node.next(*address);
                    going |= lane.is_some();
                }
            }
        }
        for (out, (node, covering)) in out.iter_mut().zip(best) {
            *out = match (node, covering.checked_ilog2()) {
                (Some(node), Some(position)) => node.list(position).map(|list| (node.length(position), list)),
                _ => (!self.default.is_empty()).then_some((0, &self.default)),
            };
        }
    }

    /// The routes of a prefix.
    pub(crate) fn get(&self, bits: A, len: u8) -> Option<&List> {
        if len == 0 {
            return (!self.default.is_empty()).then_some(&self.default);
        }
        let depth = node_depth(len);
        let mut node = self.root(bits);
        while node.depth < depth {
            node = node.next(bits)?;
        }
        let position = position(bits.slot(depth), len - depth);
        if node.depth != depth || node.prefixes >> position & 1 == 0 { None } else { node.list(position) }
    }

    /// Changes the routes of a prefix, which is added if it is missing. `f` must not leave the list empty.
    pub(crate) fn update<R>(
        &mut self,
        bits: A,
        len: u8,
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        let (mut nodes, mut prefixes) = (self.nodes, self.prefixes);
        let list = if len == 0 {
            prefixes += usize::from(self.default.is_empty());
            Some(&mut self.default)
        } else {
            let depth = node_depth(len);
            let node = self.root_mut(bits).make(bits, depth, &mut nodes, trash)?;
            node.make_list(position(bits.slot(depth), len - depth), &mut prefixes, trash)
        }?;
        let before = list.heap();
        let result = f(list, trash);
        let after = list.heap();
        (self.nodes, self.prefixes, self.lists) = (nodes, prefixes, self.lists + after - before);
        Some(result)
    }

    /// Changes the routes of a prefix, if there are any, and removes the prefix if `f` leaves none.
    pub(crate) fn change<R>(
        &mut self,
        bits: A,
        len: u8,
        trash: &mut Trash,
        f: impl FnOnce(&mut List, &mut Trash) -> R,
    ) -> Option<R> {
        let (mut nodes, mut prefixes) = (self.nodes, self.prefixes);
        let (mut before, mut after) = (0, 0);
        let f = |list: &mut List, trash: &mut Trash| {
            before = list.heap();
            let result = f(list, trash);
            after = list.heap();
            result
        };
        let result = if len > 0 {
            self.root_mut(bits).change(bits, len, (&mut nodes, &mut prefixes), trash, f)
        } else if self.default.is_empty() {
            None
        } else {
            let result = f(&mut self.default, trash);
            prefixes -= usize::from(self.default.is_empty());
            Some(result)
        };
        (self.nodes, self.prefixes, self.lists) = (nodes, prefixes, self.lists + after - before);
        result
    }

    /// Calls `f` with the prefixes of a range, in order of their addresses and lengths, until it returns false; then the result is
    /// false, too.
    pub(crate) fn walk<'a>(&'a self, range: Range<A>, mut f: impl FnMut(A, u8, &'a List) -> bool) -> bool {
        if range.within.1 == 0
            && range.after.is_none()
            && !self.default.is_empty()
            && !f(A::default(), 0, &self.default)
        {
            return false;
        }
        let [zero, one] = &self.roots;
        zero.walk(range, &mut f) && one.walk(range, &mut f)
    }
}
