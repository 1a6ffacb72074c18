//! `class` of packets: the application that their conversation speaks.

use classify::{Application, BuiltIn, Classifier, Conversation};
use enrich::{BatchPackets, PacketViews};
use flow::field::Field;
use flow::row::{self, Layout, Rows};
use flow::strings::Strings;
use foldhash::fast::RandomState;
use packet::LinkType;
use packet::tunnel::{self, Ports};
use std::collections::HashMap;

/// How applications are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Recognition {
    pub(crate) settings: classify::Settings,
    /// `tunnel_0`: what is looked at is the packet inside tunnels of these ports.
    pub(crate) inside: Option<Ports>,
}

/// The conversations of a worker's packets.
pub(crate) struct Classes {
    classifier: Classifier<BuiltIn>,
    inside: Option<Ports>,
    /// Where rows keep the id of the name.
    at: Option<usize>,
    /// Ids of names: the strings of rows know them until they are cleared.
    ids: HashMap<Application, [u8; 4], RandomState>,
}

impl Classes {
    /// None yet, for rows of that layout. `None` when there is no memory for what recognises applications.
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

    /// Conversations that were forgotten for want of room since the last call.
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
            if let Some(to) = row.octets().get_mut(at..at + id.len()) {
                to.copy_from_slice(id);
            }
        }
    }

    /// `None` for what is no packet of IP, and for parts of packets that lack their ports.
    fn recognise(&mut self, packets: &BatchPackets<'_>, row: usize, time_us: u64) -> Option<Application> {
        let seen = packets.view(row)?;
        let packet = tunnel::decode_inside(LinkType(seen.link as u32), seen.octets, self.inside.as_ref());
        let ip = packet.ip.filter(|ip| !ip.is_later_fragment())?;
        let octets = packet.frame.get(packet.offsets.l3?..)?;
        // What is behind the packet is filling of the frame.
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
