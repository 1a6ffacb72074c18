//! What came, counted.

use bmp::code::MessageType;

/// Messages by type, and what was wrong with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Route monitoring.
    pub route_monitoring: u64,
    /// Statistics reports.
    pub statistics: u64,
    /// Peer down.
    pub peer_down: u64,
    /// Peer up.
    pub peer_up: u64,
    /// Initiation.
    pub initiation: u64,
    /// Termination.
    pub termination: u64,
    /// Route mirroring.
    pub route_mirroring: u64,
    /// Messages of other types.
    pub unknown: u64,
    /// Messages among those above that could not be read, or not be used: [`crate::Event::Rejected`].
    pub rejected: u64,
    /// Messages among those above that were read although a part of them is wrong: [`crate::Received::fault`].
    pub faulty: u64,
    /// Messages among those above that were longer than the limit, and passed over.
    pub skipped: u64,
    /// Route monitoring messages among those above of peers that are not up.
    pub unknown_peer: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, kind: MessageType) {
        let counter = match kind {
            MessageType::ROUTE_MONITORING => &mut self.route_monitoring,
            MessageType::STATISTICS_REPORT => &mut self.statistics,
            MessageType::PEER_DOWN => &mut self.peer_down,
            MessageType::PEER_UP => &mut self.peer_up,
            MessageType::INITIATION => &mut self.initiation,
            MessageType::TERMINATION => &mut self.termination,
            MessageType::ROUTE_MIRRORING => &mut self.route_mirroring,
            _ => &mut self.unknown,
        };
        *counter += 1;
    }

    /// All messages.
    pub fn total(&self) -> u64 {
        let known = self.route_monitoring + self.statistics + self.peer_down + self.peer_up;
        known + self.initiation + self.termination + self.route_mirroring + self.unknown
    }
}
