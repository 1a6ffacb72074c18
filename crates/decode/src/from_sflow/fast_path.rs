//! The usual flow sample, in one pass.
//!
//! Most samples hold the start of an Ethernet frame, whose headers lie at fixed offsets ([`packet::plain`]), and beside it at most what a
//! switch and a router say. They become rows here, and their records are not read to values first. All others are left
//! to [`Reader::flow`], which says what a row is: a test compares.

use super::Settings;
use super::packet::packet_ref;
use super::sample::{Head, Reader};
use crate::headers::Headers;
use flow::output::Output;
use flow::row;
use packet::LinkType;
use packet::plain::plain;
use sflow::DataFormat;
use sflow::flow::{HeaderProtocol, is_known};
use sflow::frame::{Contents, FlowFrame};

/// The start of a packet.
const RAW_HEADER: u32 = 1;
/// Fields of packets: Ethernet, IPv4, IPv6.
const FIELDS: std::ops::RangeInclusive<u32> = 2..=4;
/// VLANs and priorities of a switch.
pub(super) const SWITCH: u32 = 1001;
/// Next hop and prefix lengths of a router.
pub(super) const ROUTER: u32 = 1002;

/// Which of the records beside the packet rows hold something of.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedRecords {
    switch: bool,
    router: bool,
}

impl WantedRecords {
    /// None where rows hold more of packets than their own headers tell.
    pub(super) fn new(wanted: &[DataFormat], headers: &Headers, settings: &Settings) -> Option<Self> {
        let has = |format| wanted.contains(&DataFormat(format));
        let is_usual = settings.inside.is_none() && headers.supports_plain();
        is_usual.then(|| Self { switch: has(SWITCH), router: has(ROUTER) })
    }
}

/// The records of a sample that make its row.
struct Records<'a> {
    header: Contents<'a>,
    switch: Option<Contents<'a>>,
    router: Option<Contents<'a>>,
    unknown: u64,
}

impl Reader<'_> {
    /// Adds the row of a sample of the datagram `unit`, if it is a usual one. Else nothing is added or counted.
    #[inline]
    pub(super) fn fast_path(
        &mut self,
        unit: u32,
        datagram: &[u8],
        sample: &FlowFrame<'_>,
        output: &mut Output,
    ) -> bool {
        self.row(unit, datagram, sample, output).is_some()
    }

    #[inline]
    fn row(&mut self, unit: u32, datagram: &[u8], sample: &FlowFrame<'_>, output: &mut Output) -> Option<()> {
        let records = self.find_records(sample)?;
        let header = records.header.raw_header().filter(|header| header.protocol == HeaderProtocol::ETHERNET)?;
        let packet = plain(header.octets)?;
        // What cannot be read is a error, which is not reported here: so all is read before there is a row.
        let switch = match records.switch {
            Some(contents) => Some(contents.switch()?),
            None => None,
        };
        let router = match records.router {
            Some(contents) => Some(contents.router()?),
            None => None,
        };
        let mut row = output.rows.push(self.base);
        (*row.head(row::PACKETS), *row.head(row::FLOWS)) = (1, 1);
        *row.head(row::OCTETS) = u64::from(header.frame_length);
        self.headers.fill_plain(&packet, &mut row);
        self.head(&Head::from(sample), &mut row);
        if let Some(switch) = switch {
            self.switch(&switch, row.octets());
        }
        if let Some(router) = router {
            self.router(&router, row.octets());
        }
        self.networks(row.octets());
        output.packets.push(packet_ref(unit, datagram, &header, LinkType::ETHERNET));
        self.counts.samples += 1;
        self.counts.unknown_records += records.unknown;
        Some(())
    }

    /// One pass over the records. None: there are others than the usual ones, or they are not whole.
    #[inline]
    fn find_records<'a>(&self, sample: &FlowFrame<'a>) -> Option<Records<'a>> {
        let wanted_records = self.wanted_records?;
        let (mut header, mut switch, mut router, mut unknown) = (None, None, None, 0);
        let mut records = sample.records;
        while let Some((format, contents)) = records.next_frame() {
            match format.0 {
                RAW_HEADER if header.is_none() => header = Some(contents),
                SWITCH if wanted_records.switch && switch.is_none() => switch = Some(contents),
                ROUTER if wanted_records.router && router.is_none() => router = Some(contents),
                SWITCH if !wanted_records.switch => {}
                ROUTER if !wanted_records.router => {}
                // One of them twice: each must be readable, and the last one counts.
                RAW_HEADER | SWITCH | ROUTER => return None,
                number if FIELDS.contains(&number) => return None,
                _ if !is_known(format) => unknown += 1,
                _ if self.wanted.contains(&format) => return None,
                _ => {}
            }
        }
        if !records.is_at_end() {
            return None;
        }
        Some(Records { header: header?, switch, router, unknown })
    }
}
