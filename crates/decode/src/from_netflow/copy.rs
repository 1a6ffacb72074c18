//! Copies from a record to its row, merged and specialised when a plan is compiled.

/// A copy from an offset in the record to an offset in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    /// One octet.
    One(u16, u16),
    /// Two octets.
    Two(u16, u16),
    /// Three octets.
    Three(u16, u16),
    /// Four octets.
    Four(u16, u16),
    /// Six octets.
    Six(u16, u16),
    /// Eight octets.
    Eight(u16, u16),
    /// Sixteen octets.
    Sixteen(u16, u16),
    /// Any number.
    Many(u16, u16, u16),
}

/// A copy before it is specialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Move {
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) len: u16,
}

/// Merges adjacent copies and specialises them by size.
pub(crate) fn compile(mut moves: Vec<Move>) -> Box<[Copy]> {
    moves.sort_unstable();
    let mut merged: Vec<Move> = Vec::with_capacity(moves.len());
    for next in moves {
        match merged.last_mut() {
            Some(last) if last.from + last.len == next.from && last.to + last.len == next.to => {
                last.len += next.len;
            }
            _ => merged.push(next),
        }
    }
    let specialise = |m: Move| match m.len {
        1 => Copy::One(m.from, m.to),
        2 => Copy::Two(m.from, m.to),
        3 => Copy::Three(m.from, m.to),
        4 => Copy::Four(m.from, m.to),
        6 => Copy::Six(m.from, m.to),
        8 => Copy::Eight(m.from, m.to),
        16 => Copy::Sixteen(m.from, m.to),
        len => Copy::Many(m.from, m.to, len),
    };
    merged.into_iter().map(specialise).collect()
}

/// Runs the copies. Copies outside the record or row, which compiled plans never contain, are ignored.
#[inline]
pub(crate) fn run(copies: &[Copy], record: &[u8], row: &mut [u8]) {
    for copy in copies {
        match *copy {
            Copy::One(from, to) => fixed::<1>(record, from, row, to),
            Copy::Two(from, to) => fixed::<2>(record, from, row, to),
            Copy::Three(from, to) => fixed::<3>(record, from, row, to),
            Copy::Four(from, to) => fixed::<4>(record, from, row, to),
            Copy::Six(from, to) => fixed::<6>(record, from, row, to),
            Copy::Eight(from, to) => fixed::<8>(record, from, row, to),
            Copy::Sixteen(from, to) => fixed::<16>(record, from, row, to),
            Copy::Many(from, to, len) => many(record, from, row, to, len),
        }
    }
}

/// Runs each copy for all records of a block before the next copy. The records have one size.
pub(crate) fn run_all(copies: &[Copy], records: &[u8], size: usize, rows: &mut [u8], stride: usize) {
    for copy in copies {
        let rows = rows.chunks_exact_mut(stride);
        let pairs = records.chunks_exact(size).zip(rows);
        match *copy {
            Copy::One(from, to) => pairs.for_each(|(record, row)| fixed::<1>(record, from, row, to)),
            Copy::Two(from, to) => pairs.for_each(|(record, row)| fixed::<2>(record, from, row, to)),
            Copy::Three(from, to) => pairs.for_each(|(record, row)| fixed::<3>(record, from, row, to)),
            Copy::Four(from, to) => pairs.for_each(|(record, row)| fixed::<4>(record, from, row, to)),
            Copy::Six(from, to) => pairs.for_each(|(record, row)| fixed::<6>(record, from, row, to)),
            Copy::Eight(from, to) => pairs.for_each(|(record, row)| fixed::<8>(record, from, row, to)),
            Copy::Sixteen(from, to) => pairs.for_each(|(record, row)| fixed::<16>(record, from, row, to)),
            Copy::Many(from, to, len) => pairs.for_each(|(record, row)| many(record, from, row, to, len)),
        }
    }
}

fn many(record: &[u8], from: u16, row: &mut [u8], to: u16, len: u16) {
    let (from, to, len) = (usize::from(from), usize::from(to), usize::from(len));
    if let (Some(to), Some(from)) = (row.get_mut(to..to + len), record.get(from..from + len)) {
        to.copy_from_slice(from);
    }
}

#[inline(always)]
fn fixed<const N: usize>(record: &[u8], from: u16, row: &mut [u8], to: u16) {
    let from = record.get(usize::from(from)..).and_then(|octets| octets.first_chunk::<N>());
    let to = row.get_mut(usize::from(to)..).and_then(|octets| octets.first_chunk_mut::<N>());
    if let (Some(from), Some(to)) = (from, to) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_copies_are_merged() {
        let moves = vec![
            Move { from: 2, to: 34, len: 2 },
            Move { from: 0, to: 32, len: 2 },
            Move { from: 9, to: 36, len: 1 },
        ];
        let copies = compile(moves);
        assert_eq!(*copies, [Copy::Four(0, 32), Copy::One(9, 36)]);
        let mut row = [0; 40];
        run(&copies, &[1, 2, 3, 4, 0, 0, 0, 0, 0, 7], &mut row);
        assert_eq!(row[32..], [1, 2, 3, 4, 7, 0, 0, 0]);
    }
}
