//! The parts of a datagram, and which rows were made of them.
//!
//! A decoder that is asked for it lists the parts of each datagram, so that a datagram can be rebuilt from some of its records.

/// A part of a datagram. Offsets are in octets from the start of the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What every reader of the other parts needs: a set of templates or of options data, a sample of counters.
    Common {
        /// Where it starts.
        at: u32,
        /// Its octets.
        len: u32,
        /// Templates, options records or samples in it.
        records: u32,
        /// Whether sequence numbers of IPFIX count these records.
        is_data: bool,
    },
    /// The start of a data set, whose records follow. Datagrams without sets have none.
    Set {
        /// Where its header starts.
        at: u32,
        /// Its octets, with header and padding.
        len: u32,
    },
    /// Adjacent records of one size, each of which became the same number of rows.
    Records {
        /// Where the first one starts.
        at: u32,
        /// Octets of each.
        size: u32,
        /// Their number.
        count: u32,
        /// Rows of each.
        rows: u32,
    },
    /// What could not be divided into records, such as a data set without a template.
    Unreadable {
        /// Where it starts.
        at: u32,
        /// Its octets.
        len: u32,
    },
    /// Rows that are not of records of this datagram: of earlier ones, or of options data.
    Rows {
        /// Their number.
        count: u32,
    },
}

/// The parts of a datagram, if the decoder is to list them.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    is_wanted: bool,
    list: Vec<Part>,
}

impl Parts {
    /// Sets whether parts are listed.
    pub fn want(&mut self, wanted: bool) {
        self.is_wanted = wanted;
        self.list.clear();
    }

    /// Whether parts are listed.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// The parts of the last datagram, in the order of its rows.
    pub fn list(&self) -> &[Part] {
        &self.list
    }

    /// Removes the parts of the last datagram.
    #[inline]
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Adds a part. Adjacent records of one size with the same number of rows are joined.
    pub fn add(&mut self, part: Part) {
        if let (
            Some(Part::Records { at, size, count, rows }),
            Part::Records { at: next, size: other, count: more, rows: of_each },
        ) = (self.list.last_mut(), part)
            && (*size, *rows) == (other, of_each)
            && at.checked_add(size.saturating_mul(*count)) == Some(next)
        {
            *count = count.saturating_add(more);
            return;
        }
        self.list.push(part);
    }

    /// Adds rows that are not of records of this datagram.
    pub fn add_rows(&mut self, count: usize) {
        if count > 0 {
            self.list.push(Part::Rows { count: narrow(count) });
        }
    }
}

/// An offset or number within a datagram, which has at most 65,535 octets.
#[inline]
pub fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_records_of_one_size_are_joined() {
        let mut parts = Parts::default();
        let records = |at, size, rows| Part::Records { at, size, count: 1, rows };
        for part in
            [records(20, 10, 1), records(30, 10, 1), records(40, 10, 0), records(50, 12, 0), records(62, 12, 0)]
        {
            parts.add(part);
        }
        let joined = |at, size, count, rows| Part::Records { at, size, count, rows };
        assert_eq!(parts.list(), [joined(20, 10, 2, 1), joined(40, 10, 1, 0), joined(50, 12, 2, 0)]);
    }
}
