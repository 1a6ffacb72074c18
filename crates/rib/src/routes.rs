//! The routes of one prefix, in the order of their announcement.
//!
//! A list consists of units of 8 bytes. Most routes have neither a path identifier nor a label, and take one unit; others take
//! two. A single unit is stored in place, so that a table of one peer needs no memory beside its tree.

use crate::route::{AttributesId, NO_LABEL, PeerId, Route};
use crate::trash::Trash;

/// Routes of one peer for one prefix. Path identifiers could make billions of them, and each change searches the list.
pub const MAX_PATHS: usize = 1024;

/// Half a route, or a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Of a first unit: the peer, and [`WIDE`]. Of a second unit: the path identifier.
    head: u32,
    /// Of a first unit: the attribute set. Of a second unit: the 24 bits of the label, or [`UNLABELLED`].
    tail: u32,
}

/// Marks the first unit of two.
const WIDE: u32 = 1 << 31;

/// The label of a route without one. It differs from [`NO_LABEL`] so that no second unit looks like [`END`].
const UNLABELLED: u32 = 1 << 24;

/// What follows the last route of a list. No peer has this number, since the last slot is never used.
const END: Unit = Unit { head: u32::MAX, tail: u32::MAX };

/// A list of routes.
#[derive(Debug)]
pub(crate) enum List {
    /// One unit, or [`END`].
    One(Unit),
    /// Units, followed by [`END`] if there is room.
    Many(Box<[Unit]>),
}

impl Default for List {
    fn default() -> Self {
        Self::One(END)
    }
}

/// The routes of a slice of units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units<'a> {
    left: &'a [Unit],
}

impl Units<'_> {
    /// Some of the first and the last bytes, so that both cache lines are loaded.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        match self.left {
            [first, .., last] => first.head ^ last.head,
            [one] => one.head,
            [] => 0,
        }
    }
}

impl Iterator for Units<'_> {
    type Item = Route;

    #[inline]
    fn next(&mut self) -> Option<Route> {
        match *self.left {
            [first, ref left @ ..] if first.head & WIDE == 0 => {
                self.left = left;
                Some(first.narrow())
            }
            [first, second, ref left @ ..] if first != END => {
                self.left = left;
                let label = if second.tail == UNLABELLED { NO_LABEL } else { second.tail };
                let peer = PeerId(first.head & !WIDE);
                Some(Route { peer, path_id: second.head, attributes: AttributesId(first.tail), label })
            }
            _ => None,
        }
    }
}

impl Unit {
    const fn narrow(self) -> Route {
        Route { peer: PeerId(self.head), path_id: 0, attributes: AttributesId(self.tail), label: NO_LABEL }
    }

    /// A route as one or two units; the second is [`END`] if it is not needed.
    fn of(route: &Route) -> (Self, Option<Self>) {
        let first = Self { head: route.peer.0, tail: route.attributes.0 };
        if route.path_id == 0 && route.label == NO_LABEL {
            (first, None)
        } else {
            let first = Self { head: first.head | WIDE, ..first };
            let tail = if route.label == NO_LABEL { UNLABELLED } else { route.label & (UNLABELLED - 1) };
            (first, Some(Self { head: route.path_id, tail }))
        }
    }
}

/// Room for so many units: with the 8 bytes that an allocator adds, odd numbers fill its chunks of 16 bytes. Long lists have
/// room for a quarter more.
const fn room(units: usize) -> usize {
    let wanted = if units > 16 { units + units / 4 } else { units };
    if wanted < 3 { 3 } else { wanted | 1 }
}

impl List {
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::One(Unit { head: u32::MAX, .. }))
    }

    /// Its routes, oldest first.
    #[inline]
    pub(crate) fn iter(&self) -> Units<'_> {
        Units { left: self.units() }
    }

    #[inline]
    fn units(&self) -> &[Unit] {
        match self {
            Self::One(unit) => std::slice::from_ref(unit),
            Self::Many(units) => units,
        }
    }

    /// How many units a change searches.
    pub(crate) fn room(&self) -> usize {
        self.units().len()
    }

    /// A list of units, in a vector with [`room`] for them if they are more than one.
    fn of(mut units: Vec<Unit>, trash: &mut Trash) -> Self {
        let list = match *units {
            [] => Self::default(),
            [unit] => Self::One(unit),
            _ => {
                units.resize(room(units.len()), END);
                return Self::Many(units.into_boxed_slice());
            }
        };
        if units.capacity() > 0 {
            trash.emptied.push(units);
        }
        list
    }

    /// Replaces the whole list.
    fn replace(&mut self, new: Self, trash: &mut Trash) {
        if let Self::Many(units) = std::mem::replace(self, new) {
            trash.units.push(units);
        }
    }

    /// Bytes of memory beside the list itself.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(units) => size_of_val::<[Unit]>(units) + 8,
        }
    }

    /// The route of a peer with a path identifier, and the index of its first unit; or how many routes the peer has, and the
    /// number of units.
    fn find(&self, peer: PeerId, path_id: u32) -> Result<(usize, Route), (usize, usize)> {
        let mut at = 0;
        let mut paths = 0;
        let mut units = self.iter();
        let all = units.left.len();
        while let Some(route) = units.next() {
            if route.peer == peer {
                if route.path_id == path_id {
                    return Ok((at, route));
                }
                paths += 1;
            }
            at = all - units.left.len();
        }
        Err((paths, at))
    }

    /// The route of a peer with a path identifier.
    pub(crate) fn get(&self, peer: PeerId, path_id: u32) -> Option<Route> {
        self.find(peer, path_id).ok().map(|(_, route)| route)
    }

    /// Adds a route, or replaces that of the same peer and path identifier in its place, and returns the old one.
    /// `Err` if the peer has [`MAX_PATHS`] others.
    pub(crate) fn set(&mut self, route: &Route, trash: &mut Trash) -> Result<Option<Route>, ()> {
        let (first, second) = Unit::of(route);
        let (at, removed, old) = match self.find(route.peer, route.path_id) {
            Ok((at, old)) => (at, 1 + usize::from(Unit::of(&old).1.is_some()), Some(old)),
            Err((MAX_PATHS.., _)) => return Err(()),
            Err((_, at)) => (at, 0, None),
        };
        match second {
            None => self.splice(at, removed, &[first], trash),
            Some(second) => self.splice(at, removed, &[first, second], trash),
        }
        Ok(old)
    }

    /// Removes the route of a peer with a path identifier.
    pub(crate) fn remove(&mut self, peer: PeerId, path_id: u32, trash: &mut Trash) -> Option<Route> {
        let (at, route) = self.find(peer, path_id).ok()?;
        self.splice(at, 1 + usize::from(Unit::of(&route).1.is_some()), &[], trash);
        Some(route)
    }

    /// Removes the routes for which `is_gone` says so.
    pub(crate) fn remove_all(&mut self, mut is_gone: impl FnMut(&Route) -> bool, trash: &mut Trash) {
        let units = match self {
            Self::One(unit) => std::slice::from_mut(unit),
            Self::Many(units) => &mut **units,
        };
        let (mut at, mut len) = (0, 0);
        while let Some(left) = units.get(at..)
            && let mut routes = (Units { left })
            && let Some(route) = routes.next()
        {
            let next = units.len() - routes.left.len();
            if !is_gone(&route) {
                units.copy_within(at..next, len);
                len += next - at;
            }
            at = next;
        }
        for unit in units.iter_mut().take(at).skip(len) {
            *unit = END;
        }
        if let Self::Many(units) = self
            && (len < 2 || len < units.len() / 2)
        {
            let mut kept = Vec::with_capacity(if len > 1 { room(len) } else { len });
            kept.extend(units.iter().take(len));
            self.replace(Self::of(kept, trash), trash);
        }
    }

    /// Replaces `removed` units from unit `at` on. `at` is the start of a route, or the end of all.
    fn splice(&mut self, at: usize, removed: usize, units: &[Unit], trash: &mut Trash) {
        if let (Self::One(one), [unit]) = (&mut *self, units)
            && (*one == END || removed == 1)
        {
            *one = *unit;
            return;
        }
        let used = self.units().iter().rposition(|unit| *unit != END).map_or(0, |last| last + 1);
        let len = used - removed + units.len();
        // In place, if the room neither is too small nor more than half empty.
        if let Self::Many(all) = self
            && len <= all.len()
            && len >= all.len() / 2
            && len > 1
        {
            all.copy_within(at + removed..used, at + units.len());
            for (to, unit) in all.iter_mut().skip(at).zip(units) {
                *to = *unit;
            }
            for unit in all.iter_mut().take(used).skip(len) {
                *unit = END;
            }
            return;
        }
        let old = self.units();
        let mut new = Vec::with_capacity(if len > 1 { room(len) } else { len });
        new.extend(old.iter().take(at));
        new.extend(units);
        new.extend(old.iter().take(used).skip(at + removed));
        self.replace(Self::of(new, trash), trash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(peer: u32, path_id: u32, attributes: u32, label: u32) -> Route {
        Route { peer: PeerId(peer), path_id, attributes: AttributesId(attributes), label }
    }

    #[test]
    fn a_list_takes_16_bytes() {
        assert_eq!(size_of::<List>(), 16);
    }

    #[test]
    fn no_second_unit_looks_like_the_end() {
        let (mut list, mut trash) = (List::default(), Trash::default());
        let wide = route(1, u32::MAX, 7, NO_LABEL);
        assert_eq!(list.set(&wide, &mut trash), Ok(None));
        assert_eq!(list.set(&route(2, 0, 8, NO_LABEL), &mut trash), Ok(None));
        assert_eq!(list.iter().next(), Some(wide));
        assert_eq!(list.iter().count(), 2);
        assert_eq!(list.remove(PeerId(2), 0, &mut trash).map(|r| r.attributes), Some(AttributesId(8)));
        assert_eq!(list.iter().collect::<Vec<_>>(), [wide]);
        assert_eq!(list.remove(PeerId(1), u32::MAX, &mut trash), Some(wide));
        assert!(list.is_empty());
    }

    #[test]
    fn a_peer_has_a_bounded_number_of_paths() {
        let (mut list, mut trash) = (List::default(), Trash::default());
        for path in 0..MAX_PATHS as u32 {
            assert_eq!(list.set(&route(1, path, 1, NO_LABEL), &mut trash), Ok(None));
        }
        assert_eq!(list.set(&route(1, u32::MAX, 1, NO_LABEL), &mut trash), Err(()));
        assert_eq!(list.set(&route(1, 5, 2, NO_LABEL), &mut trash), Ok(Some(route(1, 5, 1, NO_LABEL))));
        assert_eq!(list.set(&route(2, 5, 2, NO_LABEL), &mut trash), Ok(None));
    }

    proptest! {
        #[test]
        fn is_a_list_in_order_of_announcement(
            changes in prop::collection::vec((0u32..4, prop::sample::select(vec![0, 1, 2, u32::MAX]), any::<bool>(),
                prop::sample::select(vec![0, 5, NO_LABEL]), any::<u32>()), 0..200),
        ) {
            let mut model: Vec<Route> = Vec::new();
            let (mut list, mut trash) = (List::default(), Trash::default());
            for (peer, path_id, announce, label, attributes) in changes {
                let found = model.iter().position(|r| (r.peer.0, r.path_id) == (peer, path_id));
                if announce {
                    let new = route(peer, path_id, attributes, label);
                    let old = found.map(|i| std::mem::replace(&mut model[i], new));
                    if old.is_none() {
                        model.push(new);
                    }
                    prop_assert_eq!(list.set(&new, &mut trash), Ok(old));
                } else if attributes % 16 == 0 {
                    model.retain(|r| r.peer.0 != peer);
                    list.remove_all(|r| r.peer.0 == peer, &mut trash);
                } else {
                    prop_assert_eq!(list.remove(PeerId(peer), path_id, &mut trash), found.map(|i| model.remove(i)));
                }
                prop_assert_eq!(list.iter().collect::<Vec<_>>(), &model[..]);
                prop_assert_eq!(list.is_empty(), model.is_empty());
                prop_assert!(list.units().len() <= 5 * model.len() + 3);
            }
        }
    }
}
