//! `pcap_savefile` that is an MRT file (RFC 6396): messages of BGP4MP, and tables of TABLE_DUMP_V2 and TABLE_DUMP, as if their peers had sent
//! them.

use super::collector::{Observation, Peer};
use super::service::Service;
use bgp::message::{Message, MessageType};
use bgp::update::Families;
use mrt::record::ReadError;
use mrt::rib::{From, Nlri};
use mrt::{Content, PeerIndex, Reader};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::task::yield_now;
use tracing::warn;
use wire::{Afi, Asn, Safi};

/// Records read before other tasks get their turn.
const RECORDS: usize = 256;
/// The state of a session that is over (RFC 6396 section 4.4.1).
const IDLE: u16 = 1;
/// Types of records: TABLE_DUMP, TABLE_DUMP_V2, BGP4MP, BGP4MP_ET.
const TYPES: [u16; 4] = [12, 13, 16, 17];

/// Whether a file begins as an MRT file.
pub(super) fn is_mrt(path: &Path) -> bool {
    let mut head = [0; 12];
    let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut head));
    let [_, _, _, _, t0, t1, ..] = head;
    read.is_ok() && TYPES.contains(&u16::from_be_bytes([t0, t1]))
}

/// Which peers there are: by address and AS, and whether their messages have path identifiers.
type Key = (IpAddr, Asn, bool, bool);

/// Reads a file.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub(super) async fn read(service: &Service, path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = Reader::new(BufReader::new(file));
    let mut replay = Replay { service, peers: HashMap::new(), index: None, invalid: 0, body: Vec::new() };
    let result = loop {
        if service.is_stopping() {
            break Ok(());
        }
        match (0..RECORDS).find_map(|_| replay.record(&mut reader).transpose()) {
            None => yield_now().await,
            Some(Ok(End)) => break Ok(()),
            Some(Err(error)) => break Err(error.to_string()),
        }
    };
    replay.end();
    result
}

/// The end of the file.
struct End;

struct Replay<'a> {
    service: &'a Service,
    peers: HashMap<Key, (Peer, u64)>,
    index: Option<PeerIndex>,
    /// Records that could not be decoded.
    invalid: u64,
    body: Vec<u8>,
}

impl Replay<'_> {
    /// Reads a record.
    fn record<R: io::Read>(&mut self, reader: &mut Reader<R>) -> Result<Option<End>, ReadError> {
        let Some(record) = reader.next_record()? else { return Ok(Some(End)) };
        match record.content() {
            Ok(Content::Message(session, message)) if !message.is_local => {
                let key = (session.peer, session.peer_asn, message.asn4, message.has_path_ids);
                self.message(key, Ipv4Addr::UNSPECIFIED, session.local_asn, message.octets);
            }
            Ok(Content::StateChange(session, change)) if change.new == IDLE => {
                let is_same = |key: &Key| (key.0, key.1) == (session.peer, session.peer_asn);
                let keys: Vec<Key> = self.peers.keys().filter(|key| is_same(key)).copied().collect();
                keys.iter().for_each(|key| self.disconnect(key));
            }
            Ok(Content::PeerIndex(index)) => self.index = Some(index),
            Ok(Content::Rib(rib)) => self.rib(&rib),
            Ok(Content::Message(..) | Content::StateChange(..) | Content::Other) => {}
            Err(_) => self.invalid += 1,
        }
        Ok(None)
    }

    /// Replays the routes of a record as messages of their peers.
    fn rib(&mut self, rib: &mrt::Rib<'_>) {
        for entry in rib.entries() {
            let Ok(entry) = entry else {
                self.invalid += 1;
                return;
            };
            let peer = match entry.peer {
                From::Peer(peer) => Some(peer),
                From::Index(at) => self.index.as_ref().and_then(|index| index.peers.get(usize::from(at)).copied()),
            };
            let Some(peer) = peer else {
                self.invalid += 1;
                continue;
            };
            let mut nlri = entry.path_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
            match rib.nlri {
                Nlri::Prefix(prefix) => {
                    let mut w = wire::Writer::new();
                    prefix.write(&mut w);
                    nlri.extend_from_slice(&w.finish());
                }
                Nlri::Other(octets) => nlri.extend_from_slice(octets),
            }
            self.body.clear();
            let made = mrt::attributes::to_update(&mut self.body, entry.attributes, rib.afi, rib.safi, &nlri);
            let mut message = Vec::new();
            if made.is_err() || !bgp::message::write(&mut message, MessageType::UPDATE, &self.body) {
                self.invalid += 1;
                continue;
            }
            let key = (peer.address, peer.asn, rib.asn_octets == 4, entry.path_id.is_some());
            self.message(key, peer.bgp_id, Asn(0), &message);
        }
    }

    /// Replays a message.
    fn message(&mut self, key: Key, router_id: Ipv4Addr, local_as: Asn, octets: &[u8]) {
        let Ok(Some(message)) = Message::first(octets, true) else {
            self.invalid += 1;
            return;
        };
        if message.kind() != MessageType::UPDATE {
            return;
        }
        let (address, asn, asn4, has_path_ids) = key;
        let mut collector = self.service.collector.borrow_mut();
        let (peer, position) = self.peers.entry(key).or_insert_with(|| {
            let mut peer = collector.peer(SocketAddr::new(address, 0));
            collector.connected(&peer);
            let families = families();
            let add_path = if has_path_ids { families.clone() } else { Families::new() };
            collector.observed(&mut peer, Observation { asn, local_as, router_id, asn4, add_path, families });
            collector.established(&mut peer);
            (peer, 0)
        });
        // What is wrong with it is logged.
        let _ = collector.update(peer, message, *position);
        *position += octets.len() as u64;
        collector.flush();
    }

    fn disconnect(&mut self, key: &Key) {
        if let Some((peer, _)) = self.peers.remove(key) {
            self.service.collector.borrow_mut().disconnected(peer, false);
        }
    }

    /// The file has ended: so have the sessions, unless the daemon keeps their routes.
    fn end(self) {
        if self.invalid > 0 {
            warn!("pcap_savefile: {} MRT records could not be decoded", self.invalid);
        }
        for (peer, _) in self.peers.into_values() {
            self.service.keep(peer);
        }
    }
}

/// The families that MRT records with path identifiers have them in.
fn families() -> Families {
    let safis = [Safi::UNICAST, Safi::MULTICAST, Safi::LABELED_UNICAST, Safi::MPLS_VPN];
    [Afi::IPV4, Afi::IPV6].into_iter().flat_map(|afi| safis.map(|safi| (afi, safi))).collect()
}
