//! The output of decoders.

use crate::packet_ref::PacketRef;
use crate::row::{Layout, Rows};
use crate::strings::Strings;

/// The rows of a batch, the strings that they refer to, and the packets that they come from.
#[derive(Debug)]
pub struct Output {
    /// The rows.
    pub rows: Rows,
    /// The interned texts and lists of the rows.
    pub strings: Strings,
    /// The packet of each row; empty if no row has one.
    pub packets: Vec<PacketRef>,
}

impl Output {
    /// Creates an empty output for rows of `layout`.
    pub fn new(layout: &Layout) -> Self {
        Self { rows: Rows::new(layout), strings: Strings::default(), packets: Vec::new() }
    }

    /// Removes the rows and their packets, but keeps the strings.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.packets.clear();
    }
}
