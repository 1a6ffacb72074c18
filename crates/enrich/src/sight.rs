//! The packets that filters look at.
//!
//! Rows of captured packets and of sampled headers have a packet, which lies in the batch that they were read from. Rows of flow
//! records have none: the packet that they stand for is made.

use filter::{Seen, Synthetic};
use flow::packet_ref::PacketRef;
use maps::matcher::{Frames, FramesOf, View};

/// The packets of the rows of a batch.
pub trait Sights {
    /// The packet that the row of that number was made of, if it had one.
    fn seen(&self, row: usize) -> Option<Seen<'_>>;
}

/// The packets of a batch, by the places that rows have in it.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// The place of each row.
    pub places: &'a [PacketRef],
    /// The datagrams or frames of the batch.
    pub units: &'a [&'a [u8]],
}

impl Sights for Placed<'_> {
    fn seen(&self, row: usize) -> Option<Seen<'_>> {
        let place = self.places.get(row)?;
        let unit = self.units.get(place.unit as usize)?;
        let octets = unit.get(place.start as usize..)?;
        let octets = octets.get(..place.captured as usize).unwrap_or(octets);
        Some(Seen { link: place.link, octets, length: place.length, untagged: None })
    }
}

/// The packet of one row: as it was seen, else as the row tells it.
pub(crate) struct Look<'a> {
    pub(crate) sights: &'a dyn Sights,
    pub(crate) row: usize,
    pub(crate) synthetic: &'a mut Synthetic,
    /// Link types that filters were compiled for.
    pub(crate) links: &'a [i32],
}

impl Frames for Look<'_> {
    fn frame(&mut self, view: &View<'_>) -> Seen<'_> {
        match self.sights.seen(self.row).filter(|seen| self.links.contains(&seen.link)) {
            Some(seen) => seen,
            None => self.synthetic.seen(view.row, view.strings),
        }
    }
}

impl FramesOf for Look<'_> {
    fn frames(&mut self, row: usize) -> &mut dyn Frames {
        self.row = row;
        self
    }
}
