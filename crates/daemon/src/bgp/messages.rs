//! The message log (to be written).
use super::collector::Peer;
use bgp::update::Block;
use rib::{Nlri, Route, TableKey};
use wire::{Afi, Safi};

pub(super) enum MessageLog {}

impl MessageLog {
    pub(super) fn connected(&mut self, _peer: &Peer) {}
    pub(super) fn announced(&mut self, _peer: &Peer, _block: &Block<'_>) {}
    pub(super) fn withdrawn_unknown(&mut self, _peer: &Peer, _block: &Block<'_>) {}
    pub(super) fn withdrawn(
        &mut self,
        _peer: &Peer,
        _table: TableKey,
        _nlri: Nlri<'_>,
        _route: &Route,
        _attributes: &[u8],
    ) {
    }
    pub(super) fn deleted(
        &mut self,
        _peer: &Peer,
        _table: TableKey,
        _nlri: Nlri<'_>,
        _route: &Route,
        _attributes: &[u8],
    ) {
    }
    pub(super) fn end_of_rib(&mut self, _peer: &Peer, _afi: Afi, _safi: Safi) {}
    pub(super) fn disconnected(&mut self, _peer: &Peer) {}
    pub(super) fn flush(&mut self) {}
    pub(super) fn reopen(&mut self) {}
    pub(super) fn end(self) -> u64 {
        0
    }
}
