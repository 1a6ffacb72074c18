//! The flow row: what one record of any protocol becomes, and what a plugin makes of it.
//!
//! A *primitive* ([`primitive`]) is a word that a configuration may list in `aggregate`. Each is kept in one
//! or more *fields* ([`field`]) of a *row* ([`row`]), whose layout holds only the fields that the
//! configuration can use, and shown in one or more *columns* ([`column`]) of the outputs. A *schema* ([`schema`]) is what one plugin does with a row: which octets make up
//! the key of an aggregate, which values are added up, and which columns the output shows.
//!
//! Rows have a fixed size. Numbers lie in them in network byte order, so that a decoder copies octets and
//! neighbouring fields in one go; texts and lists are interned ([`strings`]) and the row holds their ids.
#![forbid(unsafe_code)]

pub mod address;
pub mod column;
pub mod custom;
pub mod field;
pub mod kind;
pub mod needs;
pub mod output;
pub mod packet_ref;
pub mod pointer;
pub mod presence;
pub mod primitive;
pub mod row;
pub mod schema;
pub mod strings;
