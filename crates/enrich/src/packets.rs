//! The packets that filters are applied to.
//!
//! Rows of captured packets and of sampled headers have a packet, which is in the batch that they were decoded from. Rows of flow
//! records have none: their packet is synthesized from the row.

use filter::{PacketView, Synthetic};
use flow::packet_ref::PacketRef;
use maps::matcher::{BatchFrames, Frames, View};

/// The packets of a worker's rows.
pub trait PacketViews {
    /// Returns the packet that this row was decoded from, if it had one.
    fn view(&self, row: usize) -> Option<PacketView<'_>>;
}

/// The packets of rows that were decoded from the datagrams or frames of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchPackets<'a> {
    /// By row, the location of its packet in a unit.
    pub references: &'a [PacketRef],
    /// The datagrams or frames of the batch.
    pub units: &'a [&'a [u8]],
}

impl PacketViews for BatchPackets<'_> {
    fn view(&self, row: usize) -> Option<PacketView<'_>> {
        let reference = self.references.get(row)?;
        let unit = self.units.get(reference.unit as usize)?;
        let octets = unit.get(reference.start as usize..)?;
        let octets = octets.get(..reference.captured as usize).unwrap_or(octets);
        Some(PacketView { link: reference.link, octets, length: reference.length, untagged: None })
    }
}

/// The packet of each row of a [`Batch`](crate::step::Batch): captured, or synthesized from the row.
pub struct RowPackets<'a> {
    views: &'a dyn PacketViews,
    /// By row, its number among the worker's rows; empty if the rows are the worker's own.
    numbers: &'a mut Vec<u32>,
    synthetic: &'a mut Synthetic,
    /// Link types that filters were compiled for.
    links: &'a [i32],
    /// The row whose packet is requested next.
    row: usize,
}

impl<'a> RowPackets<'a> {
    /// `numbers` gives for each row the worker's row that it is a copy of; if empty, they are the worker's rows.
    pub(crate) fn new(
        views: &'a dyn PacketViews,
        numbers: &'a mut Vec<u32>,
        synthetic: &'a mut Synthetic,
        links: &'a [i32],
    ) -> Self {
        Self { views, numbers, synthetic, links, row: 0 }
    }

    /// Returns the packet of a row.
    #[inline]
    pub fn packet(&mut self, row: usize, view: &View<'_>) -> PacketView<'_> {
        self.row = row;
        self.frame(view)
    }

    /// Row `to` is now a copy of row `from`.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        if from < self.numbers.len() && to < self.numbers.len() {
            self.numbers.copy_within(from..=from, to);
        }
    }

    /// There are now `count` rows.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.numbers.truncate(count);
    }
}

impl std::fmt::Debug for RowPackets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowPackets").field("numbers", &self.numbers).finish_non_exhaustive()
    }
}

impl Frames for RowPackets<'_> {
    fn frame(&mut self, view: &View<'_>) -> PacketView<'_> {
        let number = self.numbers.get(self.row).map_or(self.row, |number| *number as usize);
        match self.views.view(number).filter(|packet| self.links.contains(&packet.link)) {
            Some(packet) => packet,
            None => self.synthetic.view(view.row, view.strings),
        }
    }
}

impl BatchFrames for RowPackets<'_> {
    fn frames(&mut self, row: usize) -> &mut dyn Frames {
        self.row = row;
        self
    }
}
