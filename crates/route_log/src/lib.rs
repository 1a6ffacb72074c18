//! Events of routes, for logs, dumps and the looking glass.
//!
//! An event has three parts, which change at different rates:
//!
//! | part | changes with | how |
//! |---|---|---|
//! | [`Peer`] | the session | created once, with its members rendered |
//! | [`Fragment`] | the attribute set | rendered by [`Renderer`], kept by [`Fragments`] |
//! | [`Route`] | the event | a `Copy` description: family, prefix, path identifier, label, RD, validity |
//!
//! [`RouteEvent`] joins them, and [`Marker`] is an event before and after the routes of a peer. Both implement
//! [`event_log::Event`]: [`event_log::Log`] and [`event_log::Dump`] write them to files and brokers.
//! [`RouteEvent::looking_glass`] answers queries. [`message::MessageEvent`] and [`message::StateEvent`] are what a log in MRT
//! contains instead of routes.
//!
//! | module | what it is |
//! |---|---|
//! | [`format`](mod@format) | how values are shown, from the configuration |
//! | [`peer`] | the peer of an event |
//! | [`attributes`] | path attributes of a route, rendered |
//! | [`fragments`] | a bounded cache of them |
//! | [`route`] | what a route leads to |
//! | [`event`] | the events, as JSON |
//! | `record` | the same in Avro |
//! | [`schema`] | their Avro schemas |
//! | [`message`] | BGP messages and states of sessions, in MRT |
//! | [`mod@bmp`] | routers and their monitored peers; events of BMP messages |
//!
//! docs/bgp-output.md and docs/bmp-output.md list the members.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod attributes;
mod avro;
pub mod bmp;
pub mod event;
pub mod format;
pub mod fragments;
mod json;
pub mod message;
pub mod peer;
mod record;
pub mod route;
pub mod schema;
#[cfg(test)]
mod tests;

pub use attributes::{Fragment, FragmentRef, Renderer};
pub use event::{LogType, Marker, MarkerKind, RouteEvent, RouteKind, Tags};
pub use format::{Format, LabelFilter};
pub use fragments::Fragments;
pub use peer::{Peer, VARIABLES};
pub use route::{Route, Target};
