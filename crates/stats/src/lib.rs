//! The one list of counters, and the arrays that hold them.
//!
//! A counter is declared once, as a line of the table ([`ROWS`]): its metric's name, reason, kind and help follow from there.
//! [`Counters`] belongs to one thread, the only writer; a [`Reader`] may be in any thread. Adding is a plain load and
//! a plain store, because there is one writer. A worker counts a batch in a [`Tally`] and publishes it as a whole: readers
//! see all of a batch or nothing, and the [`EQUATIONS`] hold at any time, not only without traffic.
#![forbid(unsafe_code)]

mod counters;
#[cfg(all(debug_assertions, not(test)))]
mod recorded;
mod render;
mod table;

pub use counters::{Counters, Open, Reader, Snapshot, Tally, check};
pub use render::lines;
pub use table::{Counter, EQUATIONS, Equation, FAMILIES, Kind, ROWS, Row, Scope, Term};
