//! Messages that are kept for the next dump.

use super::Times;
use super::record::{Context, Kind, RecordEvent, records};
use ::bmp::code::MessageType;
use ::bmp::frame::Frame;
use ::bmp::message::Message;
use ::bmp::peer::Timestamp;
use ::bmp::v4::CodePoints;
use event_log::dump::Rows;

/// A message as it was received. It is decoded again when it is written, so that it takes no more memory than its octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    octets: Box<[u8]>,
    kind: MessageType,
}

impl Stored {
    /// Keeps a whole message; `None` for types that have no records: route monitoring, and unknown ones.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        let kind = Frame::first(octets, octets.len()).ok()??.kind();
        let has_records = kind != MessageType::ROUTE_MONITORING && kind.name().is_some();
        has_records.then(|| Self { octets: octets.into(), kind })
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.octets.len()
    }

    /// Whether it is a statistics report, which `bmp_dump_exclude_stats` keeps out of dumps.
    #[must_use]
    pub fn is_statistics(&self) -> bool {
        self.kind == MessageType::STATISTICS_REPORT
    }

    /// Adds its records to a dump.
    pub fn dump(&self, rows: &mut Rows<'_>, times: &mut Times, context: &Context<'_>, code_points: &CodePoints) {
        let Ok(Some(frame)) = Frame::first(&self.octets, self.octets.len()) else { return };
        let Ok(message) = Message::decode(frame, code_points) else { return };
        let router_time = times.of(message.peer().map_or_else(Timestamp::default, |peer| peer.time));
        records(&message, |record| {
            rows.add(&RecordEvent { context: *context, kind: Kind::Dump, record, router_time });
        });
    }
}
