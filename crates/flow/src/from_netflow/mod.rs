//! From NetFlow and IPFIX to rows.
//!
//! A [`Decoder`] belongs to one worker. It keeps the state of each exporter (templates compiled to plans, options
//! data, sequence numbers, sets that wait for their template), takes datagrams in and adds rows. It reads no
//! clock and writes no log: arrival times come with the datagrams, and what is worth a line goes out as
//! [`Notice`]s.

mod copy;
mod counts;
mod exporter;
mod frame;
mod known;
mod plan;
mod rates;
mod run;
mod sources;
mod ways;

pub use counts::{Counts, NoFlow, Notice};
pub use exporter::Exporter;
pub use plan::Plan;

use crate::field::Field;
use crate::needs::Needs;
use crate::row::{FieldSet, Rows};
use crate::strings::Strings;
use foldhash::fast::RandomState;
use netflow::datagram::{self, Reject};
use netflow::template::Template;
use std::collections::HashMap;
use std::net::IpAddr;

/// Adds to `fields` what others of them are worked out from.
pub fn require(fields: &mut FieldSet, stamps: bool) {
    let needed: &[(Field, &[Field])] = &[
        (Field::SrcNet, &[Field::SrcHost, Field::SrcMask]),
        (Field::DstNet, &[Field::DstHost, Field::DstMask]),
        (Field::Etype, &[Field::SrcHost]),
    ];
    for (field, others) in needed {
        if fields.has(*field) {
            others.iter().for_each(|other| fields.insert(*other));
        }
    }
    if stamps {
        fields.insert(Field::TimeStart);
    }
    fields.insert(Field::Event);
}

/// How records are read, and what bounds the state of exporters.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `nfacctd_renormalize`.
    pub renormalize: bool,
    /// `use_ip_next_hop`.
    pub use_ip_next_hop: bool,
    /// Networks come from addresses and masks of the record; else somebody else fills them in.
    pub networks: bool,
    /// `nfacctd_account_options`: options data become rows, too.
    pub account_options: bool,
    /// `nfacctd_ignore_exporter_address`.
    pub ignore_exporter_address: bool,
    /// `nfacctd_disable_opt_scope_check`: options data count for all domains of the exporter.
    pub ignore_scope: bool,
    /// `nfacctd_time_secs`.
    pub time_secs: bool,
    /// `nfacctd_time_new`: bins go by arrival.
    pub arrival_stamps: bool,
    /// `nfacctd_time_fractions`: times of v5 and v9 keep their milliseconds.
    pub uptime_fractions: bool,
    /// `nfacctd_pre_processing_checks`: data sets whose padding is not zero are not read.
    pub check_padding: bool,
    /// Most exporters; datagrams of further ones are rejected.
    pub max_exporters: usize,
    /// Most templates of one exporter (each of two generations, see [`netflow::cache::Cache`]).
    pub max_templates: usize,
    /// Most octets of one exporter's sets that wait for their template.
    pub pending_octets: usize,
    /// How long they wait, microseconds.
    pub pending_age: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            renormalize: false,
            use_ip_next_hop: false,
            networks: true,
            account_options: false,
            ignore_exporter_address: false,
            ignore_scope: false,
            time_secs: false,
            arrival_stamps: false,
            uptime_fractions: false,
            check_padding: false,
            max_exporters: 10_000,
            max_templates: 4096,
            pending_octets: 1_000_000,
            pending_age: 300_000_000,
        }
    }
}

/// Why a datagram was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its header cannot be read.
    Header(Reject),
    /// There are too many exporters already.
    Exporters,
}

/// Reads the datagrams of one worker.
pub struct Decoder {
    needs: Needs,
    settings: Settings,
    exporters: HashMap<IpAddr, Exporter, RandomState>,
    counts: Counts,
    notices: Vec<Notice>,
    scratch: exporter::Scratch,
}

impl Decoder {
    /// A decoder that knows no exporter yet.
    pub fn new(needs: Needs, settings: Settings) -> Self {
        Self {
            scratch: exporter::Scratch::new(&needs, &settings),
            needs,
            settings,
            exporters: HashMap::default(),
            counts: Counts::default(),
            notices: Vec::new(),
        }
    }

    /// Reads a datagram that arrived from `source` at `arrival` (microseconds since 1970), and adds its rows, whose texts and
    /// lists go to `strings`.
    pub fn datagram(
        &mut self,
        source: IpAddr,
        octets: &[u8],
        arrival: u64,
        rows: &mut Rows,
        strings: &mut Strings,
    ) -> Result<(), Refused> {
        let datagram = datagram::open(octets).map_err(Refused::Header)?;
        let full = self.exporters.len() >= self.settings.max_exporters;
        let exporter = match self.exporters.entry(source) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if full => return Err(Refused::Exporters),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Exporter::new(source, &self.settings))
            }
        };
        let mut context = exporter::Context {
            needs: &self.needs,
            settings: &self.settings,
            strings,
            counts: &mut self.counts,
            notices: &mut self.notices,
            scratch: &mut self.scratch,
            rows,
        };
        exporter.datagram(&datagram, octets.len(), arrival, &mut context);
        Ok(())
    }

    /// What its rows hold.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// What happened since the last call and is worth a line in the log; a bounded number.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The exporters, with what was counted of each.
    pub fn exporters(&self) -> impl Iterator<Item = &Exporter> {
        self.exporters.values()
    }

    /// Takes in a template that was known before the daemon started.
    pub fn restore_template(&mut self, exporter: IpAddr, template: Template) {
        if self.exporters.len() < self.settings.max_exporters || self.exporters.contains_key(&exporter) {
            let settings = &self.settings;
            let state = self.exporters.entry(exporter).or_insert_with(|| Exporter::new(exporter, settings));
            state.restore(template, &self.needs, settings);
        }
    }

    /// Goes on with rows of another layout: all plans are compiled again. Call it when no rows are left.
    pub fn change_needs(&mut self, needs: Needs) {
        self.scratch = exporter::Scratch::new(&needs, &self.settings);
        for exporter in self.exporters.values_mut() {
            exporter.recompile(&needs, &self.settings);
        }
        self.needs = needs;
    }

    /// Drops the sets that have waited too long for their template at `now`.
    pub fn expire(&mut self, now: u64) {
        for exporter in self.exporters.values_mut() {
            exporter.expire(now, &mut self.counts);
        }
    }

    /// Gives up the sets that still wait, at the end.
    pub fn abandon(&mut self) {
        for exporter in self.exporters.values_mut() {
            exporter.abandon(&mut self.counts);
        }
    }
}

/// The records of v1, v5 and v7, as templates.
pub(crate) fn fixed_templates() -> [Template; 3] {
    use netflow::encode::field as f;
    use netflow::template::Kind;
    // Element 210 is padding (paddingOctets).
    let head = [(8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2)];
    let template = |tail: &[(u16, u16)]| {
        let fields = head.iter().chain(tail).map(|(element, length)| f(*element, *length)).collect();
        Template::new(0, 0, Kind::Data, fields)
    };
    [
        template(&[(210, 2), (4, 1), (5, 1), (6, 1), (210, 11)]),
        template(&[(210, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (210, 2)]),
        template(&[(210, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (210, 6)]),
    ]
}

#[cfg(test)]
mod tests;
