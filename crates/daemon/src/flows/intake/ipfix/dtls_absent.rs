//! A program without DTLS knows its keys, and says that it cannot use them.

use super::figures::Figures;
use super::settings::Settings;
use super::{Admission, Loaded, Workers};
use crate::host::blame;
use crate::sessions::tls::Files;
use capture::udp::Receiver;
use config::keys::input::NFACCTD_DTLS_PORT;
use config::{Config, Diagnostics};
use runtime::events::Stop;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

/// Nothing can be loaded.
#[derive(Clone)]
pub(super) enum Context {}

/// What a thread would need.
#[expect(dead_code, reason = "there is no thread")]
pub(super) struct Start {
    pub(super) number: usize,
    pub(super) receiver: Receiver,
    pub(super) settings: Arc<Settings>,
    pub(super) loaded: Arc<RwLock<Loaded>>,
    pub(super) version: Arc<AtomicU64>,
    pub(super) figures: Arc<Figures>,
    pub(super) workers: Workers,
    pub(super) admission: Admission,
    pub(super) stop: Stop,
}

/// Reports the port.
pub(super) fn check(config: &Config, problems: &mut Diagnostics) -> bool {
    let what = "nfacctd_dtls_port: this program was built without DTLS.";
    problems.fatal(blame(config, &NFACCTD_DTLS_PORT), what.to_owned(), None);
    false
}

pub(super) fn load(_: &Files, _: &mut Diagnostics) -> Option<Context> {
    None
}

pub(super) fn run(_: Start) {}
