//! The looking glass, from its settings to its end.

use super::answer::Tables;
use super::client::Credentials;
use super::server::Server;
use crate::host::blame;
use crate::host::part::Services;
use config::keys::bgp::{
    BGP_DAEMON_LG, BGP_DAEMON_LG_IP, BGP_DAEMON_LG_PASSWD, BGP_DAEMON_LG_PORT, BGP_DAEMON_LG_USER,
};
use config::{Config, Diagnostics};
use std::io;
use std::net::{SocketAddr, TcpListener};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// The looking glass.
pub(in crate::bgp) struct LookingGlass {
    address: SocketAddr,
    credentials: Option<Credentials>,
    /// Bound, until its thread starts.
    socket: Option<TcpListener>,
}

impl LookingGlass {
    /// `None` if it is not configured. Errors are added to the problems.
    pub(in crate::bgp) fn read(config: &Config, problems: &mut Diagnostics) -> Option<Self> {
        config.core(&BGP_DAEMON_LG).then(|| Self {
            address: SocketAddr::new(config.core(&BGP_DAEMON_LG_IP), config.core(&BGP_DAEMON_LG_PORT)),
            credentials: credentials(config, problems),
            socket: None,
        })
    }

    /// Binds its address.
    ///
    /// # Errors
    /// The keys, and why the address cannot be bound.
    pub(in crate::bgp) fn open(&mut self) -> Result<(), String> {
        let address = self.address;
        if self.credentials.is_none() && !address.ip().to_canonical().is_loopback() {
            warn!(
                "bgp_daemon_lg_ip: {address}: other machines can query routes; bgp_daemon_lg_user and bgp_daemon_lg_passwd are not set"
            );
        }
        let bound = TcpListener::bind(address)
            .map_err(|error| format!("bgp_daemon_lg_ip, bgp_daemon_lg_port: {address}: {error}"))?;
        self.socket = Some(bound);
        Ok(())
    }

    /// Starts its thread.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub(in crate::bgp) fn start(
        &mut self,
        services: &Services,
        tables: Tables,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let Some(socket) = self.socket.take() else { return Ok(()) };
        let server = Server::new(tables, self.credentials.clone());
        services.threads.spawn("bgp/lg", services.identity.clone(), move || {
            if let Err(error) = server.run(socket, stop) {
                error!("looking glass: {error}");
            }
        })
    }

    /// Logs that it is ready.
    pub(in crate::bgp) fn announce(&self) {
        info!("looking glass: waiting for queries on {}", self.address);
    }
}

/// What clients must know: both keys, or none.
fn credentials(config: &Config, problems: &mut Diagnostics) -> Option<Credentials> {
    let (user, password) = match (config.core(&BGP_DAEMON_LG_USER), config.core(&BGP_DAEMON_LG_PASSWD)) {
        (None, None) => return None,
        (Some(user), Some(password)) => (user, password),
        (Some(_), None) => {
            let what = "bgp_daemon_lg_user: without bgp_daemon_lg_passwd, anybody could query the looking glass.";
            problems.fatal(blame(config, &BGP_DAEMON_LG_USER), what, Some("Set both, or neither.".to_owned()));
            return None;
        }
        (None, Some(_)) => {
            let what = "bgp_daemon_lg_passwd: without bgp_daemon_lg_user, anybody could query the looking glass.";
            problems.fatal(blame(config, &BGP_DAEMON_LG_PASSWD), what, Some("Set both, or neither.".to_owned()));
            return None;
        }
    };
    let texts = [
        (&user, &BGP_DAEMON_LG_USER, "bgp_daemon_lg_user"),
        (&password, &BGP_DAEMON_LG_PASSWD, "bgp_daemon_lg_passwd"),
    ];
    for (text, key, name) in texts {
        // RFC 24 of ZeroMQ: `*VCHAR`, after one octet of length.
        if text.is_empty() || text.len() > 255 || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            let what = format!("{name}: ZeroMQ cannot transport it.");
            let hint = "Use 1 to 255 printing ASCII characters, without spaces.".to_owned();
            problems.fatal(blame(config, key), what, Some(hint));
        }
    }
    Some(Credentials { user, password })
}
