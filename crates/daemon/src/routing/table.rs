//! Changes of the RIB by UPDATEs, and the removal of what peers leave behind.

use super::figures::RouteFigures;
use super::log::{Reported, RouteLog};
use super::peer::RoutePeer;
use bgp::nlri::Nlri;
use bgp::update::{Action, Block, Update};
use rib::{NO_LABEL, PeerId, Refused, Route, TableKey, Writer};
use route_log::LogType;
use runtime::log::Limited;
use std::net::IpAddr;
use std::time::Duration;
use tracing::{debug, warn};
use wire::{Prefix, Safi};

/// Prefixes and routes visited in one step of a sweep.
const SWEEP: usize = 512;
/// Routes whose removal makes it worth returning memory to the system.
const GIVEN_BACK: u64 = 100_000;
/// Minimum time between two log lines about routes that are not stored.
const RATE: Duration = Duration::from_secs(10);

/// The RIB, as the thread of the sessions changes it.
pub(crate) struct RouteTable {
    writer: Writer,
    /// Routes that the last UPDATE has withdrawn, for the log.
    withdrawn: Vec<Withdrawn>,
    /// Routes removed since the table was last swept completely.
    swept: u64,
    refused: Limited,
}

/// A route that was withdrawn.
#[derive(Debug)]
struct Withdrawn {
    table: TableKey,
    nlri: OwnNlri,
    route: Route,
    /// Its place in the message.
    place: usize,
}

#[derive(Debug)]
enum OwnNlri {
    Prefix(Prefix),
    Octets(Box<[u8]>),
}

impl RouteTable {
    pub(crate) fn new(writer: Writer) -> Self {
        Self { writer, withdrawn: Vec::new(), swept: 0, refused: Limited::new(RATE) }
    }

    /// Gives a peer a place; `None` if there are too many.
    pub(crate) fn add_peer(&mut self) -> Option<PeerId> {
        self.writer.add_peer()
    }

    /// Hides the routes of a peer from now on. [`RouteTable::sweep`] removes them.
    pub(crate) fn remove_peer(&mut self, id: PeerId) {
        self.writer.remove_peer(id);
    }

    /// Stores what an UPDATE announces, and removes what it withdraws. `is_logged`: [`write_events`] follows.
    pub(crate) fn update(
        &mut self,
        id: PeerId,
        address: IpAddr,
        update: &Update<'_>,
        figures: &RouteFigures,
        is_logged: bool,
    ) {
        let Self { writer, withdrawn, refused, .. } = self;
        withdrawn.clear();
        // One set of changes: the attributes of withdrawn routes can be read until the next one begins.
        let mut changes = Changes { rib: writer.begin(), id, figures, refused: None };
        let mut before = 0;
        for block in update.blocks() {
            match block.action {
                Action::Announce => changes.announce(block),
                Action::Withdraw => changes.withdraw(block, before, is_logged.then_some(&mut *withdrawn)),
            }
            before += block.entries().count();
        }
        let why = changes.refused;
        drop(changes);
        if let Some(why) = why
            && let Some(pass) = refused.pass()
        {
            warn!(held_back = pass.held_back, "[{address}] routes are not stored: {why}");
        }
    }

    /// Removes some routes of peers that are gone, and calls `removed` for each. True if there may be more.
    pub(crate) fn sweep(&mut self, mut removed: impl FnMut(TableKey, rib::Nlri<'_>, &Route, &[u8])) -> bool {
        let Self { writer, swept, .. } = self;
        let more = writer.sweep(SWEEP, |table, nlri, route, attributes| {
            *swept += 1;
            removed(table, nlri, route, attributes);
        });
        if !more {
            if *swept > GIVEN_BACK {
                runtime::heap::give_back();
            }
            *swept = 0;
        }
        more
    }
}

/// Logs what an UPDATE has changed. Without a RIB, it is not known which withdrawn routes were there, and all are logged.
pub(crate) fn write_events(
    log: &mut RouteLog,
    peer: &RoutePeer,
    update: &Update<'_>,
    table: Option<&RouteTable>,
    reported: Reported<'_>,
) {
    let rib = table.map(|table| table.writer.read());
    let mut before = 0;
    for block in update.blocks() {
        let of_block = reported.later(before);
        match (block.action, &rib) {
            (Action::Announce, _) => log.announced(peer, block, rib.as_deref(), of_block),
            (Action::Withdraw, None) => log.withdrawn_unknown(peer, block, of_block),
            (Action::Withdraw, Some(_)) => {}
        }
        before += block.entries().count();
    }
    if let (Some(rib), Some(table)) = (&rib, table) {
        for Withdrawn { table, nlri, route, place } in &table.withdrawn {
            let nlri = match nlri {
                OwnNlri::Prefix(prefix) => rib::Nlri::Prefix(*prefix),
                OwnNlri::Octets(octets) => rib::Nlri::Octets(octets),
            };
            let attributes = rib.attributes(route.attributes);
            log.removed(peer, LogType::Withdraw, (*table, nlri), route, attributes, reported.later(*place));
        }
    }
    if let Some((afi, safi)) = update.end_of_rib {
        debug!("[{}] End-of-RIB: AFI {afi}, SAFI {safi}", peer.address);
        log.end_of_rib(peer, (afi, safi), reported);
    }
}

/// Changes of the RIB by an UPDATE.
struct Changes<'a> {
    rib: rib::Changes<'a>,
    id: PeerId,
    figures: &'a RouteFigures,
    /// Why a route was not stored.
    refused: Option<Refused>,
}

impl Changes<'_> {
    fn announce(&mut self, block: &Block<'_>) {
        let attributes = match self.rib.intern(block.attributes.as_bytes()) {
            Ok(attributes) => attributes,
            Err(why) => {
                return block.entries().for_each(|_| self.refuse(why));
            }
        };
        let mut octets = Vec::new();
        for entry in block.entries() {
            let Some((table, nlri, label)) = place_of(block, entry.nlri, &mut octets) else { continue };
            let route = Route { peer: self.id, path_id: entry.path_id.unwrap_or(0), attributes, label };
            if let Err(why) = self.rib.announce(table, nlri, route) {
                self.refuse(why);
            }
        }
    }

    fn withdraw(&mut self, block: &Block<'_>, before: usize, mut withdrawn: Option<&mut Vec<Withdrawn>>) {
        let mut octets = Vec::new();
        for (place, entry) in (before..).zip(block.entries()) {
            let Some((table, nlri, _)) = place_of(block, entry.nlri, &mut octets) else { continue };
            let route = self.rib.withdraw(table, nlri, self.id, entry.path_id.unwrap_or(0));
            if let (Some(withdrawn), Some(route)) = (&mut withdrawn, route) {
                let nlri = match nlri {
                    rib::Nlri::Prefix(prefix) => OwnNlri::Prefix(prefix),
                    rib::Nlri::Octets(octets) => OwnNlri::Octets(octets.into()),
                };
                withdrawn.push(Withdrawn { table, nlri, route, place });
            }
        }
    }

    fn refuse(&mut self, why: Refused) {
        self.figures.drop_route(why);
        self.refused = Some(why);
    }
}

/// Where a route is stored: its table, its key there, and its label. `None` for prefixes of families that are no IP.
fn place_of<'a>(
    block: &Block<'_>,
    nlri: Nlri<'a>,
    octets: &'a mut Vec<u8>,
) -> Option<(TableKey, rib::Nlri<'a>, u32)> {
    let label = |labels: bgp::nlri::Labels<'_>| labels.last().map_or(NO_LABEL, |label| label.0);
    Some(match nlri {
        Nlri::Unicast(prefix) => {
            let table = match block.safi {
                Safi::MULTICAST => TableKey::Multicast(prefix.family()),
                _ => TableKey::Unicast(prefix.family()),
            };
            (table, prefix.into(), NO_LABEL)
        }
        Nlri::Labelled { labels, prefix } => (TableKey::Labelled(prefix.family()), prefix.into(), label(labels)),
        Nlri::Vpn { rd, labels, prefix } if block.safi == Safi::MPLS_VPN => {
            (TableKey::Vpn(prefix.family(), rd), prefix.into(), label(labels))
        }
        // Multicast VPNs have no table of prefixes: nothing looks addresses up in them.
        Nlri::Vpn { rd, prefix, .. } => {
            octets.clear();
            octets.extend_from_slice(&rd.0);
            let mut w = wire::Writer::new();
            prefix.write(&mut w);
            octets.extend_from_slice(&w.finish());
            (TableKey::Opaque(block.afi, block.safi), octets.as_slice().into(), NO_LABEL)
        }
        Nlri::Other(opaque) => {
            (TableKey::Opaque(block.afi, block.safi), rib::Nlri::Octets(opaque.as_bytes()), NO_LABEL)
        }
    })
}
