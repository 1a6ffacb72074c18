//! Daemons that share their ports: `cluster_name`, `cluster_id`, and the eBPF programs that select among the daemons
//! ([`reuseport`]).

use crate::host::blame;
use config::keys::ha;
use config::{Config, Diagnostics, Key};
use reuseport::{Error, Group, Transport};
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use tracing::info;

/// The cluster of daemons without `cluster_name`, if they have a program.
const DEFAULT: &str = "default";

/// What to add to the error of a port that cannot be bound.
pub(crate) fn taken(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "; another process uses this port, which only daemons that all set cluster_name can share"
        }
        _ => "",
    }
}

/// How a socket, or those of several workers, are shared with other daemons.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sharing {
    /// Others may bind the same port.
    pub(crate) is_shared: bool,
    selector: Option<Selector>,
}

/// A program that selects among the daemons.
#[derive(Clone, Debug)]
struct Selector {
    /// The key of the program.
    key: &'static str,
    cluster: String,
    cluster_id: u32,
    transport: Transport,
    group: Group,
}

impl Sharing {
    /// Reads the settings for one kind of sockets, whose name is that of its folder of maps. Of the keys of programs, the
    /// first one that is set counts.
    pub(crate) fn read(
        config: &Config,
        programs: &[&'static Key<Option<PathBuf>>],
        kind: &str,
        transport: Transport,
        problems: &mut Diagnostics,
    ) -> Self {
        let name = config.core(&ha::CLUSTER_NAME);
        let is_named = name.is_some();
        let Some((key, program)) = programs.iter().find_map(|key| Some((*key, config.core(key)?))) else {
            return Self { is_shared: is_named, selector: None };
        };
        let cluster = name.unwrap_or_else(|| DEFAULT.to_owned());
        let spelling = config.names().of(key);
        if let Err(error) = reuseport::check(&program, transport) {
            problems.fatal(blame(config, key), format!("{spelling}: {}: {error}.", program.display()), None);
        }
        if !Group::is_name(&cluster) {
            let what =
                format!("cluster_name: '{cluster}' is not the name of a folder of maps, which {spelling} needs.");
            let hint = "Use a name without dots and slashes, of up to 255 octets.".to_owned();
            problems.fatal(blame(config, &ha::CLUSTER_NAME), what, Some(hint));
        }
        let cluster_id = config.core(&ha::CLUSTER_ID);
        let group = Group { program, folder: Group::folder(&cluster, kind), place: cluster_id };
        Self { is_shared: true, selector: Some(Selector { key: spelling, cluster, cluster_id, transport, group }) }
    }

    /// Whether a program selects among the daemons.
    pub(crate) fn has_selector(&self) -> bool {
        self.selector.is_some()
    }

    /// Lets the program select among these sockets, and those of other daemons. Each daemon of the cluster must have as many.
    ///
    /// # Errors
    /// The message, with the key.
    pub(crate) fn join(&self, sockets: &[BorrowedFd<'_>]) -> Result<(), String> {
        let Some(Selector { key, cluster, cluster_id, transport, group }) = &self.selector else { return Ok(()) };
        let count = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
        let group = Group { place: cluster_id.saturating_mul(count), ..group.clone() };
        let file = group.program.display();
        reuseport::join(&group, *transport, sockets).map_err(|error| {
            let hint = match error {
                Error::Taken(_) | Error::Beyond { .. } => {
                    format!(" (cluster_id: {cluster_id}; sockets of each daemon: {count})")
                }
                _ => String::new(),
            };
            format!("{key}: {file}: {error}{hint}")
        })?;
        info!(
            "{key}: {file} selects among the daemons of cluster '{cluster}', of which this is number {cluster_id}"
        );
        Ok(())
    }
}
