//! The flow row: the common form of records of all protocols, and its aggregation by plugins.
//!
//! A *primitive* ([`primitive`]) is a word that a configuration may list in `aggregate`. It is stored in one
//! or more *fields* ([`field`]) of a *row* ([`row`]), whose layout contains only the fields that the configuration
//! needs, and shown in one or more *columns* ([`column`]) of the outputs. A *schema* ([`schema`]) defines for one plugin
//! which bytes of a row form the key of an aggregate, which values are added, and which columns the output shows.
//!
//! Rows have a fixed size. They store numbers in network byte order, so that a decoder copies adjacent fields at once;
//! texts and lists are interned ([`strings`]), and the row contains their IDs.
#![forbid(unsafe_code)]

pub mod address;
pub mod column;
pub mod custom;
pub mod field;
pub mod kind;
pub mod needs;
pub mod output;
pub mod packet_ref;
pub mod part;
pub mod pointer;
pub mod presence;
pub mod primitive;
pub mod row;
pub mod schema;
pub mod strings;
