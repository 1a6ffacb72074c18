//! `class` of packets: the application protocol of their conversation.

use classify::{Application, BuiltIn, Classifier, Conversation};
use enrich::{BatchPackets, PacketViews};
use flow::field::Field;
use flow::row::{self, Layout, Rows};
use flow::strings::Strings;
use foldhash::fast::RandomState;
use packet::LinkType;
use packet::tunnel::{self, Ports};
use std::collections::HashMap;

/// How packets are classified.
#[derive(Clone, Debug)]
pub(crate) struct Recognition {
    pub(crate) settings: classify::Settings,
    /// `tunnel_0`: for tunnels on these ports the inner packet is classified.
    pub(crate) inside: Option<Ports>,
}

/// The conversations of a worker's packets.
pub(crate) struct Classes {
    classifier: Classifier<BuiltIn>,
    inside: Option<Ports>,
    /// The offset of the name's id in rows.
    at: Option<usize>,
    /// Ids of names, valid until the strings of rows are cleared.
    ids: HashMap<Application, [u8; 4], RandomState>,
}

impl Classes {
    /// An empty set, for rows of that layout. Returns `None` when there is no memory for the classifier.
    pub(crate) fn new(recognition: &Recognition, layout: &Layout) -> Option<Self> {
        let classifier = Classifier::new(BuiltIn::new()?, recognition.settings);
        let at = layout.offset(Field::Class);
        Some(Self { classifier, inside: recognition.inside.clone(), at, ids: HashMap::default() })
    }

    /// Rows have this layout from now on.
    pub(crate) fn change_layout(&mut self, layout: &Layout) {
        self.at = layout.offset(Field::Class);
    }

    /// The rows' strings were cleared.
    pub(crate) fn forget_strings(&mut self) {
        self.ids.clear();
    }

    /// Conversations evicted for lack of room since the last call.
    pub(crate) fn take_evicted(&mut self) -> u64 {
        self.classifier.take_evicted()
    }

    /// Fills in the rows from number `first` on.
    pub(crate) fn apply(
        &mut self,
        rows: &mut Rows,
        first: usize,
        strings: &mut Strings,
        packets: &BatchPackets<'_>,
    ) {
        let Some(at) = self.at else { return };
        for (number, mut row) in (first..).zip(rows.iter_mut_from(first)) {
            let time_us = *row.head(row::BIN_TIME);
            let application = self.recognise(packets, number, time_us).unwrap_or_default();
            let id = self
                .ids
                .entry(application)
                .or_insert_with(|| strings.intern(self.classifier.name(application).as_bytes()).to_be_bytes());
            if let Some(to) = row.bytes().get_mut(at..at + id.len()) {
                to.copy_from_slice(id);
            }
        }
    }

    /// Returns `None` for packets other than IP, and for fragments without ports.
    fn recognise(&mut self, packets: &BatchPackets<'_>, row: usize, time_us: u64) -> Option<Application> {
        let seen = packets.view(row)?;
        let packet = tunnel::decode_inside(LinkType(seen.link as u32), seen.octets, self.inside.as_ref());
        let ip = packet.ip.filter(|ip| !ip.is_later_fragment())?;
        let octets = packet.frame.get(packet.offsets.l3?..)?;
        // Bytes after the packet are padding of the frame.
        let length = if ip.is_unsized { octets.len() } else { ip.length as usize };
        let octets = octets.get(..length).unwrap_or(octets);
        let (source, destination) = packet.ports.unwrap_or_default();
        let conversation = Conversation::new(
            (ip.source, source),
            (ip.destination, destination),
            packet.vlan().unwrap_or(0),
            ip.protocol,
        );
        Some(self.classifier.packet(conversation, octets, time_us))
    }
}
