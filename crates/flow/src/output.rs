//! What decoders fill.

use crate::packet_ref::PacketRef;
use crate::row::{Layout, Rows};
use crate::strings::Strings;

/// Rows of a batch, the strings whose ids they hold, and the packets that they were made of.
#[derive(Debug)]
pub struct Output {
    /// The rows.
    pub rows: Rows,
    /// Their texts and lists.
    pub strings: Strings,
    /// The packet of each row. Empty where no row has one.
    pub packets: Vec<PacketRef>,
}

impl Output {
    /// No rows yet; each will have that layout.
    pub fn new(layout: &Layout) -> Self {
        Self { rows: Rows::new(layout), strings: Strings::default(), packets: Vec::new() }
    }

    /// Forgets the rows and their packets, and keeps the strings.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.packets.clear();
    }
}
