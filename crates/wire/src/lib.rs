//! Checked readers and writers over octets, and small types that several protocols share.
//!
//! Octets from outside are met only through [`Reader`], which cannot panic: it borrows, moves forward only, and
//! knows its offset for errors. It is `Copy`, so a copy is a bookmark.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod mac;
pub mod rd;
mod reader;
mod writer;

pub use mac::Mac;
pub use rd::RouteDistinguisher;
pub use reader::{Reader, Truncated};
pub use writer::{TooLong, Writer};
