//! A target and what is asked of it.

use crate::tls;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telemetry_gpb::messages::gnmi::subscribe_request::Request;
use telemetry_gpb::messages::gnmi::{Path, Poll, SubscribeRequest, Subscription, SubscriptionList};

/// A target: a router that serves gNMI, and a subscription to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name in the output.
    pub name: Arc<str>,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the collector identifies itself.
    pub credentials: Option<Credentials>,
    /// TLS, and the name in the certificate of the target; without it, the connection is plain text.
    pub tls: Option<(tls::Client, String)>,
    /// The paths.
    pub paths: Vec<Path>,
    /// The target behind a gateway; empty without one.
    pub prefix_target: String,
    /// When values are sent.
    pub mode: Mode,
    /// The interval of [`Mode::Sample`], [`Mode::Once`] and [`Mode::Poll`].
    pub interval: Duration,
    /// How values are encoded.
    pub encoding: Encoding,
}

/// A user and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name, of printable ASCII characters.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// When a target sends values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `STREAM`, `SAMPLE`: at an interval.
    Sample,
    /// `STREAM`, `ON_CHANGE`.
    OnChange,
    /// `STREAM`, `TARGET_DEFINED`: the target decides for each value.
    TargetDefined,
    /// `ONCE`: the subscription is made anew at an interval.
    Once,
    /// `POLL`: the values are asked for at an interval.
    Poll,
}

impl Mode {
    /// All, with their names in the file of targets.
    pub const ALL: [(&'static str, Self); 5] = [
        ("sample", Self::Sample),
        ("on_change", Self::OnChange),
        ("target_defined", Self::TargetDefined),
        ("once", Self::Once),
        ("poll", Self::Poll),
    ];
}

/// How a target encodes values that have a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JSON by RFC 7951.
    JsonIetf,
    /// JSON.
    Json,
    /// Scalar values of protobuf.
    Proto,
}

impl Encoding {
    /// All, with their names in the file of targets.
    pub const ALL: [(&'static str, Self); 3] =
        [("json_ietf", Self::JsonIetf), ("json", Self::Json), ("proto", Self::Proto)];

    /// The number in gNMI (section 2.3).
    const fn number(self) -> i32 {
        match self {
            Self::Json => 0,
            Self::Proto => 2,
            Self::JsonIetf => 4,
        }
    }
}

impl Target {
    /// The first request.
    pub(crate) fn subscribe(&self) -> SubscribeRequest {
        // The modes of the list, and of its subscriptions (section 3.5.1.5).
        let (mode, of_path) = match self.mode {
            Mode::TargetDefined => (0, 0),
            Mode::OnChange => (0, 1),
            Mode::Sample => (0, 2),
            Mode::Once => (1, 0),
            Mode::Poll => (2, 0),
        };
        let sample_interval = match self.mode {
            Mode::Sample => u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX),
            _ => 0,
        };
        let subscription = |path: &Path| Subscription { path: Some(path.clone()), mode: of_path, sample_interval };
        let prefix = Path { target: self.prefix_target.clone(), ..Path::default() };
        let list = SubscriptionList {
            prefix: (!self.prefix_target.is_empty()).then_some(prefix),
            subscription: self.paths.iter().map(subscription).collect(),
            mode,
            encoding: self.encoding.number(),
            updates_only: false,
        };
        SubscribeRequest { request: Some(Request::Subscribe(list)) }
    }

    /// The request for the values in mode `POLL`.
    pub(crate) const fn poll() -> SubscribeRequest {
        SubscribeRequest { request: Some(Request::Poll(Poll {})) }
    }

    /// The host and the port, as in a URI.
    pub(crate) fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}
