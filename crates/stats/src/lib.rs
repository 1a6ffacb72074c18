//! The one list of counters, and the arrays that hold them.
//!
//! A counter is declared once, as a line of the table ([`ROWS`]): its metric's name, reason, kind and help follow from there.
//! [`Counters`] belongs to one thread, which alone writes; a [`Reader`] of it may be anywhere. Adding is a plain load and
//! a plain store, because nobody else adds. A worker counts a batch in a [`Tally`] and publishes it whole: then readers
//! see a batch wholly or not at all, and the [`EQUATIONS`] close at any time, not only when the traffic stands still.
#![forbid(unsafe_code)]

mod counters;
#[cfg(all(debug_assertions, not(test)))]
mod recorded;
mod render;
mod table;

pub use counters::{Counters, Open, Reader, Snapshot, Tally, check};
pub use render::lines;
pub use table::{Counter, EQUATIONS, Equation, FAMILIES, Kind, ROWS, Row, Scope, Term};
