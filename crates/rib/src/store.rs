//! Attribute sets: each is stored once, counted, and freed when no route has it.
//!
//! The octets lie in pages, each with slots of one size, so that a set costs little more than its octets: a number of references,
//! a serial number and its length. The number of a set says where it is. Sizes grow in steps, of 8 bytes at first; sets that are too long for
//! slots have an allocation of their own. A page that becomes empty is freed. Nothing here grows in large steps: a
//! reader would have to wait for that.
//!
//! The [`Index`] finds equal sets. It belongs to the writer, since readers do not need it: it may grow while they read.

use crate::route::{AttributesId, AttributesKey};
use crate::segments::Segments;
use crate::trash::Trash;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Bytes of a page, about.
const PAGE: usize = 16 * 1024;

/// Bits of the position in an [`AttributesId`]; the others are the class.
const POSITION_BITS: u32 = 26;

/// Classes of slots: 32 sizes in steps of 8 bytes, then 24 in steps of 32 bytes.
const CLASSES: usize = 56;

/// Class of the sets that are too long for slots.
const LARGE: u32 = CLASSES as u32;

/// Octets before those of the set: references, serial number, length.
const HEADER: usize = 4 + 4 + 2;

/// Marks the end of a list of free slots.
const NONE: u16 = u16::MAX;

/// Marks the end of a list of pages, or of free sets with an allocation of their own.
const LAST: u32 = u32::MAX;

/// Size of the slots of a class, in bytes.
const fn slot_size(class: usize) -> usize {
    if class < 32 { 8 * (class + 1) } else { 256 + 32 * (class - 31) }
}

/// The class whose slots hold so many bytes.
const fn class_of(size: usize) -> usize {
    if size <= 256 { size.div_ceil(8) - 1 } else { 31 + (size - 256).div_ceil(32) }
}

/// Slots of one size.
#[derive(Debug)]
pub(crate) struct Page {
    /// Empty if the page was freed.
    bytes: Box<[u8]>,
    /// The next page of the list that this one is in.
    next: u32,
    /// First of the slots that were freed; a free slot begins with the number of the next one.
    free: u16,
    /// Slots from this one on were never used.
    fresh: u16,
    used: u16,
    list: PageList,
}

/// Which list of its class a page is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageList {
    None,
    /// [`Class::open`].
    Open,
    /// [`Class::freed`].
    Freed,
}

/// The pages of a class.
pub(crate) type Pages = Segments<Page, 256>;

/// Sets with an allocation of their own.
pub(crate) type LargeSets = Segments<Large, 256>;

#[derive(Debug)]
struct Class {
    pages: Pages,
    /// First of the pages that have free slots; some of them may have become full or been freed since.
    open: u32,
    /// First of the pages that were freed.
    freed: u32,
    /// Pages that have memory.
    in_use: u32,
}

impl Default for Class {
    fn default() -> Self {
        Self { pages: Segments::default(), open: LAST, freed: LAST, in_use: 0 }
    }
}

/// A set that is too long for a slot. One that was freed has [`FREE`] references, and the number of the next one in `serial`.
#[derive(Debug)]
pub(crate) struct Large {
    references: u32,
    serial: u32,
    octets: Box<[u8]>,
}

/// All sets.
#[derive(Debug)]
pub(crate) struct Store {
    classes: Box<[Class]>,
    /// Sets that are too long for slots.
    large: LargeSets,
    /// First of those that were freed.
    large_free: u32,
    large_used: usize,
    /// Serial number of the next set.
    serial: u32,
    sets: usize,
    bytes: usize,
    /// Bytes of the index, which is not here.
    pub(crate) index_bytes: usize,
}

impl Default for Store {
    fn default() -> Self {
        let classes = std::iter::repeat_with(Class::default).take(CLASSES).collect();
        Self {
            classes,
            large: Segments::default(),
            large_free: LAST,
            large_used: 0,
            serial: 0,
            sets: 0,
            bytes: 0,
            index_bytes: 0,
        }
    }
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|octets| u32::from_le_bytes(*octets))
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|octets| u16::from_le_bytes(*octets))
}

fn put<const N: usize>(octets: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(to) = octets.get_mut(at..).and_then(|octets| octets.first_chunk_mut()) {
        *to = value;
    }
}

impl Page {
    fn slot(&self, slot: usize, size: usize) -> Option<&[u8]> {
        self.bytes.get(slot * size..(slot + 1) * size)
    }

    fn slot_mut(&mut self, slot: usize, size: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(slot * size..(slot + 1) * size)
    }

    fn is_full(&self, size: usize) -> bool {
        usize::from(self.used) == self.bytes.len() / size
    }
}

impl Class {
    /// The number of a page with a free slot.
    fn open_page(&mut self, size: usize, bytes: &mut usize) -> usize {
        while let Some(page) = self.pages.get_mut(self.open as usize) {
            if !page.bytes.is_empty() && !page.is_full(size) {
                return self.open as usize;
            }
            let number = std::mem::replace(&mut self.open, page.next);
            page.list = PageList::None;
            if page.bytes.is_empty() {
                (page.next, page.list) = (self.freed, PageList::Freed);
                self.freed = number;
            }
        }
        let number = self.freed;
        // The first page of a class is small: most classes have few sets.
        let slots = if number == 0 || self.pages.len() == 0 { PAGE / 16 / size } else { PAGE / size };
        let memory: Box<[u8]> = vec![0; slots.max(1) * size].into();
        *bytes += memory.len() + size_of::<Page>();
        self.in_use += 1;
        let mut new = Page { bytes: memory, next: self.open, free: NONE, fresh: 0, used: 0, list: PageList::Open };
        match self.pages.get_mut(number as usize) {
            Some(page) => {
                self.freed = page.next;
                std::mem::swap(page, &mut new);
                self.open = number;
            }
            None => {
                self.open = self.pages.len() as u32;
                self.pages.push(new);
            }
        }
        self.open as usize
    }

    /// Frees the memory of a page without sets.
    fn close_page(&mut self, number: usize, trash: &mut Trash) -> Option<()> {
        let page = self.pages.get_mut(number)?;
        trash.octets.push(std::mem::take(&mut page.bytes));
        if page.list == PageList::None {
            (page.next, page.list) = (self.freed, PageList::Freed);
            self.freed = number as u32;
        }
        self.in_use -= 1;
        if self.in_use == 0 {
            trash.pages.push(std::mem::take(self).pages);
        }
        Some(())
    }
}

impl Store {
    /// How many positions a class may have.
    const POSITIONS: usize = 1 << POSITION_BITS;

    /// Slots of a page of a class.
    fn slots(size: usize) -> usize {
        PAGE / size
    }

    /// Splits a number into class, page and slot.
    fn place(id: AttributesId) -> (usize, usize, usize) {
        let class = (id.0 >> POSITION_BITS) as usize;
        let position = (id.0 & ((1 << POSITION_BITS) - 1)) as usize;
        let per_page = if class < CLASSES { Self::slots(slot_size(class)) } else { 1 };
        (class, position / per_page, position % per_page)
    }

    fn slot(&self, id: AttributesId) -> Option<&[u8]> {
        let (class, page, slot) = Self::place(id);
        self.classes.get(class)?.pages.get(page)?.slot(slot, slot_size(class))
    }

    fn large(&self, id: AttributesId) -> Option<&Large> {
        let (_, position, _) = Self::place(id);
        self.large.get(position)
    }

    const fn is_large(id: AttributesId) -> bool {
        id.0 >> POSITION_BITS >= LARGE
    }

    /// The octets of a set; none if there is no such set.
    #[inline]
    pub(crate) fn get(&self, id: AttributesId) -> &[u8] {
        if Self::is_large(id) {
            return self.large(id).map_or(&[], |large| &large.octets);
        }
        let octets = |slot: &'_ [u8]| u16_at(slot, 8).map(usize::from);
        self.slot(id).and_then(|slot| slot.get(HEADER..HEADER + octets(slot)?)).unwrap_or_default()
    }

    /// The serial number of a set.
    #[inline]
    pub(crate) fn key(&self, id: AttributesId) -> AttributesKey {
        let serial = if Self::is_large(id) {
            self.large(id).map(|large| large.serial)
        } else {
            self.slot(id).and_then(|slot| u32_at(slot, 4))
        };
        AttributesKey { id, serial: serial.unwrap_or(0) }
    }

    /// References to a set; 0 if there is no such set.
    pub(crate) fn references(&self, id: AttributesId) -> u32 {
        if Self::is_large(id) {
            return self
                .large(id)
                .filter(|large| large.references & FREE == 0)
                .map_or(0, |large| large.references);
        }
        let (class, page, _) = Self::place(id);
        let page = self.classes.get(class).and_then(|class| class.pages.get(page));
        match (page, self.slot(id)) {
            (Some(_), Some(slot)) => u32_at(slot, 0).filter(|references| references & FREE == 0).unwrap_or(0),
            _ => 0,
        }
    }

    /// Adds `by` to the references of a set.
    pub(crate) fn refer(&mut self, id: AttributesId, by: i32) {
        if Self::is_large(id) {
            let (_, position, _) = Self::place(id);
            if let Some(large) = self.large.get_mut(position) {
                large.references = large.references.wrapping_add_signed(by);
            }
            return;
        }
        let (class, page, slot) = Self::place(id);
        if let Some(slot) = self
            .classes
            .get_mut(class)
            .and_then(|class| class.pages.get_mut(page))
            .and_then(|page| page.slot_mut(slot, slot_size(class)))
            && let Some(references) = u32_at(slot, 0)
        {
            put(slot, 0, references.wrapping_add_signed(by).to_le_bytes());
        }
    }

    /// Stores a set with one reference; `None` if there are too many, or it has more than 65535 octets.
    fn insert(&mut self, octets: &[u8]) -> Option<AttributesId> {
        let length = u16::try_from(octets.len()).ok()?;
        let class = class_of(HEADER + octets.len());
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        if class >= CLASSES {
            return self.insert_large(octets);
        }
        let size = slot_size(class);
        let entry = self.classes.get_mut(class)?;
        let number = entry.open_page(size, &mut self.bytes);
        let page = entry.pages.get_mut(number)?;
        let slot = if page.free == NONE {
            page.fresh += 1;
            page.fresh - 1
        } else {
            let slot = page.free;
            page.free = u16_at(page.slot(slot.into(), size)?, 4)?;
            slot
        };
        let position = number * Self::slots(size) + usize::from(slot);
        if position >= Self::POSITIONS {
            page.fresh -= 1;
            return None;
        }
        page.used += 1;
        let to = page.slot_mut(slot.into(), size)?;
        put(to, 0, 1_u32.to_le_bytes());
        put(to, 4, serial.to_le_bytes());
        put(to, 8, length.to_le_bytes());
        to.get_mut(HEADER..HEADER + octets.len())?.copy_from_slice(octets);
        self.sets += 1;
        Some(AttributesId((class as u32) << POSITION_BITS | position as u32))
    }

    fn insert_large(&mut self, octets: &[u8]) -> Option<AttributesId> {
        let new = Large { references: 1, serial: self.serial, octets: octets.into() };
        let count = self.large.len();
        let position = match self.large.get_mut(self.large_free as usize) {
            Some(free) => {
                let position = std::mem::replace(&mut self.large_free, free.serial);
                *free = new;
                position as usize
            }
            None if count < Self::POSITIONS => {
                self.large.push(new);
                self.bytes += size_of::<Large>();
                count
            }
            None => return None,
        };
        self.bytes += octets.len() + 16;
        self.sets += 1;
        self.large_used += 1;
        Some(AttributesId(LARGE << POSITION_BITS | position as u32))
    }

    /// Frees a set.
    fn free(&mut self, id: AttributesId, trash: &mut Trash) -> Option<()> {
        let (class, number, slot) = Self::place(id);
        self.sets -= 1;
        if Self::is_large(id) {
            let large = self.large.get_mut(number)?;
            self.bytes -= large.octets.len() + 16;
            trash.octets.push(std::mem::take(&mut large.octets));
            (large.references, large.serial) = (FREE, self.large_free);
            self.large_free = number as u32;
            self.large_used -= 1;
            if self.large_used == 0 {
                self.bytes -= self.large.len() * size_of::<Large>();
                trash.large.push(std::mem::take(&mut self.large));
                self.large_free = LAST;
            }
            return Some(());
        }
        let size = slot_size(class);
        let class = self.classes.get_mut(class)?;
        let page = class.pages.get_mut(number)?;
        page.used -= 1;
        if page.used == 0 {
            self.bytes -= page.bytes.len() + size_of::<Page>();
            return class.close_page(number, trash);
        }
        let free = page.free;
        let to = page.slot_mut(slot, size)?;
        put(to, 0, FREE.to_le_bytes());
        put(to, 4, free.to_le_bytes());
        page.free = slot as u16;
        if page.list == PageList::None {
            (page.next, page.list) = (class.open, PageList::Open);
            class.open = number as u32;
        }
        Some(())
    }

    /// Attribute sets.
    pub(crate) const fn len(&self) -> usize {
        self.sets
    }

    /// Bytes of memory, with those of the index.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes + self.index_bytes
    }
}

/// In place of the references of a slot that was freed.
const FREE: u32 = 1 << 31;

/// Finds the number of a set by its octets.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// With a random seed, so that nobody can make sets that collide.
    hashes: RandomState,
    ids: HashTable<AttributesId>,
}

impl Index {
    /// Whether another set would make the index grow.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.ids.len() == self.ids.capacity()
    }

    /// Makes room for so many further sets.
    pub(crate) fn reserve(&mut self, more: usize, store: &Store) {
        if self.ids.capacity() - self.ids.len() < more {
            let Self { hashes, ids } = self;
            ids.reserve(more, |id| hashes.hash_one(store.get(*id)));
        }
    }

    /// Gives memory back after many sets were freed.
    pub(crate) fn shrink(&mut self, store: &Store) {
        let Self { hashes, ids } = self;
        if ids.capacity() > 1024 && ids.len() < ids.capacity() / 4 {
            ids.shrink_to(ids.len() * 2, |id| hashes.hash_one(store.get(*id)));
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.ids.allocation_size()
    }

    /// The number of a set, with one reference more than before. The set is stored if it is new.
    pub(crate) fn intern(&mut self, octets: &[u8], store: &mut Store) -> Option<AttributesId> {
        let hash = self.hashes.hash_one(octets);
        if let Some(id) = self.ids.find(hash, |id| store.get(*id) == octets) {
            store.refer(*id, 1);
            return Some(*id);
        }
        let id = store.insert(octets)?;
        let Self { hashes, ids } = self;
        ids.insert_unique(hash, id, |id| hashes.hash_one(store.get(*id)));
        Some(id)
    }

    /// Removes a reference to a set, and frees the set if there is no other.
    pub(crate) fn release(&mut self, id: AttributesId, store: &mut Store, trash: &mut Trash) {
        match store.references(id) {
            0 => {}
            1 => {
                let hash = self.hashes.hash_one(store.get(id));
                if let Ok(found) = self.ids.find_entry(hash, |other| *other == id) {
                    found.remove();
                }
                store.free(id, trash);
            }
            _ => store.refer(id, -1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn each_size_has_the_smallest_class() {
        for size in 1..=slot_size(CLASSES - 1) {
            let class = class_of(size);
            assert!(slot_size(class) >= size);
            assert!(class == 0 || slot_size(class - 1) < size, "{size}");
        }
        assert_eq!(class_of(slot_size(CLASSES - 1) + 1), CLASSES);
    }

    proptest! {
        #[test]
        fn sets_are_stored_once_and_freed(changes in prop::collection::vec((0usize..40, 0u8..4, 0u8..3), 0..2000)) {
            let (mut store, mut index, mut trash) = (Store::default(), Index::default(), Trash::default());
            let mut model: HashMap<Vec<u8>, (AttributesKey, u32)> = HashMap::new();
            for (length, content, action) in changes {
                let octets = vec![content; length * length];
                if action > 0 {
                    let id = index.intern(&octets, &mut store).unwrap();
                    let entry = model.entry(octets).or_insert((store.key(id), 0));
                    entry.1 += 1;
                    prop_assert_eq!(store.key(id), entry.0);
                } else if let Some((key, references)) = model.get_mut(&octets) {
                    index.release(key.id, &mut store, &mut trash);
                    *references -= 1;
                    if *references == 0 {
                        model.remove(&octets);
                    }
                }
                prop_assert_eq!(store.len(), model.len());
            }
            for (octets, (key, references)) in &model {
                prop_assert_eq!(store.get(key.id), &octets[..]);
                prop_assert_eq!(store.key(key.id), *key);
                prop_assert_eq!(store.references(key.id), *references);
            }
            for (_, (key, references)) in model {
                for _ in 0..references {
                    index.release(key.id, &mut store, &mut trash);
                }
                prop_assert_eq!(store.references(key.id), 0);
            }
            prop_assert_eq!(store.len(), 0);
            prop_assert_eq!(store.bytes(), 0);
        }
    }
}
