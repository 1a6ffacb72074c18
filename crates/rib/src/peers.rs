//! Which peers are present, and how many routes they have.

use crate::route::{Limits, PeerId, Refused};
use crate::segments::Segments;
use wire::{Afi, Safi};

/// All peers, by slot.
///
/// Nothing here takes longer with more peers, since readers wait meanwhile: the slots of removed peers form a queue, and whether they can be used
/// again follows from the number of the sweep that they wait for.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    slots: Segments<Slot, 256>,
    /// Slots of removed peers, in the order of their removal.
    queue: Option<Queue>,
    limits: Limits,
    /// Routes of present peers.
    routes: u64,
    /// Routes of removed peers.
    removed: u64,
    /// Peers that no sweep has begun for.
    unswept: usize,
    /// Sweeps that have begun.
    begun: u64,
    /// Sweeps that have ended.
    ended: u64,
}

/// The ends of a list of slots.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Slot {
    id: PeerId,
    /// The next removed peer.
    next: Option<u32>,
    state: State,
    routes: u64,
    families: Vec<((Afi, Safi), u64)>,
}

/// What a slot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Present,
    /// The peer was removed, but its routes may be there until the sweep of this number has ended.
    Removed(u64),
}

impl Peers {
    fn slot(&self, peer: PeerId) -> Option<&Slot> {
        self.slots.get(peer.slot()).filter(|slot| slot.id == peer)
    }

    fn slot_mut(&mut self, peer: PeerId) -> Option<&mut Slot> {
        self.slots.get_mut(peer.slot()).filter(|slot| slot.id == peer)
    }

    /// Whether the peer is present.
    #[inline]
    pub(crate) fn has(&self, peer: PeerId) -> bool {
        self.slot(peer).is_some_and(|slot| slot.state == State::Present)
    }

    pub(crate) fn routes(&self, peer: PeerId) -> u64 {
        self.slot(peer).filter(|slot| slot.state == State::Present).map_or(0, |slot| slot.routes)
    }

    pub(crate) fn families(&self, peer: PeerId) -> &[((Afi, Safi), u64)] {
        self.slot(peer).filter(|slot| slot.state == State::Present).map_or(&[], |slot| &slot.families)
    }

    pub(crate) const fn all_routes(&self) -> u64 {
        self.routes
    }

    pub(crate) const fn removed_routes(&self) -> u64 {
        self.removed
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        // All routes may have one attribute set, whose references are counted in 31 bits.
        self.limits = Limits { routes: limits.routes.min(1 << 29), ..limits };
    }

    /// `None` if there are too many peers.
    pub(crate) fn add(&mut self) -> Option<PeerId> {
        if let Some(Queue { first, last }) = self.queue
            && let Some(slot) = self.slots.get_mut(first as usize)
            && matches!(slot.state, State::Removed(sweep) if sweep <= self.ended)
        {
            self.queue = slot.next.take().map(|first| Queue { first, last });
            self.removed -= std::mem::take(&mut slot.routes);
            slot.id = PeerId::new(first, slot.id.generation() + 1);
            slot.state = State::Present;
            slot.families.clear();
            return Some(slot.id);
        }
        let number = self.slots.len();
        if number >= PeerId::SLOTS {
            return None;
        }
        let id = PeerId::new(number as u32, 0);
        self.slots.push(Slot { id, next: None, state: State::Present, routes: 0, families: Vec::new() });
        Some(id)
    }

    /// Hides a peer and its routes.
    pub(crate) fn remove(&mut self, peer: PeerId) {
        let sweep = self.begun + 1;
        if let Some(slot) = self.slot_mut(peer)
            && slot.state == State::Present
        {
            slot.state = State::Removed(sweep);
            let routes = slot.routes;
            self.routes -= routes;
            self.removed += routes;
            self.unswept += 1;
            let number = peer.slot() as u32;
            let first = self.queue.map_or(number, |queue| queue.first);
            if let Some(last) = self.queue.and_then(|queue| self.slots.get_mut(queue.last as usize)) {
                last.next = Some(number);
            }
            self.queue = Some(Queue { first, last: number });
        }
    }

    /// Whether a peer was removed since the last sweep began.
    pub(crate) const fn has_unswept(&self) -> bool {
        self.unswept > 0
    }

    /// Begins a sweep; false if no peer was removed since the last one.
    pub(crate) fn begin_sweep(&mut self) -> bool {
        if std::mem::take(&mut self.unswept) == 0 {
            return false;
        }
        self.begun += 1;
        true
    }

    /// Whether the present sweep removes the routes of a peer.
    pub(crate) fn is_swept(&self, peer: PeerId) -> bool {
        self.slot(peer).is_some_and(|slot| matches!(slot.state, State::Removed(sweep) if sweep <= self.begun))
    }

    /// Ends a sweep: slots can be used again.
    pub(crate) const fn end_sweep(&mut self) {
        self.ended = self.begun;
    }

    /// Whether a peer may have one more route.
    #[inline]
    pub(crate) fn check(&self, peer: PeerId) -> Result<(), Refused> {
        match self.slot(peer) {
            Some(slot) if slot.state == State::Present => {
                if slot.routes >= self.limits.routes_of_peer {
                    Err(Refused::PeerFull)
                } else if self.routes >= self.limits.routes {
                    Err(Refused::Full)
                } else {
                    Ok(())
                }
            }
            _ => Err(Refused::UnknownPeer),
        }
    }

    /// Counts a new route of a peer.
    #[inline]
    pub(crate) fn count(&mut self, peer: PeerId, family: (Afi, Safi)) {
        if let Some(slot) = self.slot_mut(peer) {
            slot.routes += 1;
            match slot.families.iter_mut().find(|(of, _)| *of == family) {
                Some((_, routes)) => *routes += 1,
                None => slot.families.push((family, 1)),
            }
            self.routes += 1;
        }
    }

    /// Counts a route that is gone.
    #[inline]
    pub(crate) fn uncount(&mut self, peer: PeerId, family: (Afi, Safi)) {
        let Some(slot) = self.slot_mut(peer) else {
            return;
        };
        slot.routes -= 1;
        if slot.state == State::Present {
            if let Some((_, routes)) = slot.families.iter_mut().find(|(of, _)| *of == family) {
                *routes -= 1;
            }
            self.routes -= 1;
        } else {
            self.removed -= 1;
        }
    }
}
