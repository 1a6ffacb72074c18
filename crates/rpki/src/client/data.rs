//! The records of a cache, and transfers of them.

use super::{Fault, Snapshot};
use crate::aspas::{Aspas, Key};
use crate::records::{Collector, Records};
use crate::rtr::Aspa;
use crate::vrps::{Vrp, Vrps};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use wire::Asn;

/// The records as of the last End of Data.
#[derive(Debug, Default)]
pub(super) struct Data {
    records: Records,
    vrps: Arc<Vrps>,
    aspas: Arc<Aspas>,
}

/// What a transfer brings, until its End of Data.
#[derive(Debug)]
pub(super) struct Transfer {
    session: u16,
    content: Content,
    /// By customer: the providers, or `None` for a withdrawal.
    aspas: BTreeMap<Key, Option<Box<[Asn]>>>,
    /// Providers in `aspas`, and one for each customer.
    providers: usize,
}

#[derive(Debug)]
enum Content {
    All(Collector),
    /// For each changed record, whether it is present afterwards; and the number of records then.
    Changes(HashMap<Vrp, bool>, usize),
}

/// What a transfer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) changed: bool,
    pub(super) duplicates: u64,
}

impl Default for Transfer {
    fn default() -> Self {
        Self::all(0)
    }
}

impl Transfer {
    fn new(session: u16, content: Content) -> Self {
        Self { session, content, aspas: BTreeMap::new(), providers: 0 }
    }

    /// A transfer of all data.
    pub(super) fn all(session: u16) -> Self {
        Self::new(session, Content::All(Collector::default()))
    }

    /// A transfer of changes.
    pub(super) fn changes(session: u16, data: &Data) -> Self {
        Self::new(session, Content::Changes(HashMap::new(), data.vrps()))
    }

    pub(super) fn session(&self) -> u16 {
        self.session
    }

    pub(super) fn is_all(&self) -> bool {
        matches!(self.content, Content::All(_))
    }

    /// Announces or withdraws a VRP.
    pub(super) fn vrp(&mut self, data: &Data, announce: bool, vrp: &Vrp, max: usize) -> Result<(), Fault> {
        match &mut self.content {
            Content::All(collector) if announce => {
                if collector.len() >= max {
                    return Err(Fault::TooMany(max));
                }
                collector.push(vrp);
            }
            Content::All(_) => return Err(Fault::WithdrawalOfUnknown(*vrp)),
            Content::Changes(changes, size) => {
                let is_present = changes.get(vrp).copied().unwrap_or_else(|| data.records.contains(vrp));
                match (announce, is_present) {
                    (true, true) => return Err(Fault::Duplicate(*vrp)),
                    (false, false) => return Err(Fault::WithdrawalOfUnknown(*vrp)),
                    (true, false) if *size >= max => return Err(Fault::TooMany(max)),
                    (true, false) => *size += 1,
                    (false, true) => *size = size.saturating_sub(1),
                }
                // Each is of a record that was or will be present, so there are at most twice as many as records.
                changes.insert(*vrp, announce);
            }
        }
        Ok(())
    }

    /// Announces or withdraws the providers of an AS.
    pub(super) fn aspa(&mut self, data: &Data, aspa: &Aspa<'_>, max: usize) -> Result<(), Fault> {
        let key = Key { customer: aspa.customer, family: aspa.family };
        if !aspa.announce {
            let known = match (self.aspas.get(&key), self.is_all()) {
                (Some(present), _) => present.is_some(),
                (None, true) => false,
                (None, false) => data.aspas.contains(&key),
            };
            if !known {
                return Err(Fault::WithdrawalOfUnknownAspa(aspa.customer));
            }
        }
        self.providers += 1 + aspa.providers.len();
        let before = if self.is_all() { 0 } else { data.aspas.size() };
        if before + self.providers > max {
            return Err(Fault::TooMany(max));
        }
        self.aspas.insert(key, aspa.announce.then(|| aspa.providers.iter().collect()));
        Ok(())
    }
}

impl Data {
    /// Number of VRPs.
    pub(super) fn vrps(&self) -> usize {
        self.records.len()
    }

    /// Makes the content of a transfer the data.
    pub(super) fn complete(&mut self, transfer: Transfer) -> Outcome {
        let aspas = match transfer.content {
            Content::All(_) => Aspas::default(),
            Content::Changes(..) => Aspas::clone(&self.aspas),
        };
        let aspas = aspas.with(transfer.aspas);
        let (vrps_changed, duplicates) = match transfer.content {
            Content::All(collector) => {
                let (records, duplicates) = collector.finish();
                let changed = records != self.records;
                self.records = records;
                (changed, duplicates)
            }
            Content::Changes(changes, _) => {
                self.records.apply(&changes);
                (!changes.is_empty(), 0)
            }
        };
        if vrps_changed {
            self.vrps = Arc::new(Vrps::of(&self.records));
        }
        let aspas_changed = aspas != *self.aspas;
        if aspas_changed {
            self.aspas = Arc::new(aspas);
        }
        Outcome {
            changed: vrps_changed || aspas_changed,
            duplicates: u64::try_from(duplicates).unwrap_or(u64::MAX),
        }
    }

    /// A snapshot for readers.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { vrps: Arc::clone(&self.vrps), aspas: Arc::clone(&self.aspas) }
    }
}
