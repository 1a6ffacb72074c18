//! The plugin's settings.

use crate::sink;
use config::keys::memory::{
    IMT_CLIENTS_MAX, IMT_CLIENTS_USER_MAX, IMT_MEMORY, IMT_PASSWD, IMT_PATH, IMT_PATH_GROUP, IMT_PATH_MODE,
    IMT_QUERY_LINES, IMT_QUERY_TIMEOUT,
};
use config::{Diagnostics, Plugin};
use runtime::{files, privileges};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of one memory plugin.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's name.
    pub name: String,
    /// `imt_path`.
    pub path: PathBuf,
    /// `imt_path_mode`.
    pub mode: u32,
    /// `imt_path_group`.
    pub gid: Option<u32>,
    /// `imt_passwd`.
    pub password: Option<String>,
    /// `imt_memory`, bytes.
    pub max_bytes: usize,
    /// `imt_query_timeout`.
    pub timeout: Duration,
    /// `imt_query_lines`.
    pub max_lines: usize,
    /// `imt_clients_max`.
    pub max_clients: usize,
    /// `imt_clients_user_max`.
    pub max_clients_user: usize,
    /// `timestamps_secs`.
    pub whole_seconds: bool,
    /// Which links on the way to the socket are followed; its mode and group are its own.
    pub files: files::Settings,
}

impl Settings {
    /// Reads the settings of a plugin.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Self {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            name: plugin.name.clone(),
            path: plugin.get(&IMT_PATH),
            mode: plugin.get(&IMT_PATH_MODE),
            gid: group(plugin, problems),
            password: plugin.get(&IMT_PASSWD),
            max_bytes: usize::try_from(plugin.get(&IMT_MEMORY)).unwrap_or(usize::MAX),
            timeout: plugin.get(&IMT_QUERY_TIMEOUT),
            max_lines: size(plugin.get(&IMT_QUERY_LINES)),
            max_clients: size(plugin.get(&IMT_CLIENTS_MAX)),
            max_clients_user: size(plugin.get(&IMT_CLIENTS_USER_MAX)),
            whole_seconds: sink::style(plugin).whole_seconds,
            files: sink::files(plugin, problems),
        }
    }
}

/// The group of the socket. If it is unknown, the socket keeps the daemon's, which admits no further users.
fn group(plugin: &Plugin, problems: &mut Diagnostics) -> Option<u32> {
    let name = plugin.get(&IMT_PATH_GROUP)?;
    let gid = privileges::gid(&name);
    if gid.is_none() {
        let what = format!("imt_path_group: no such group: '{name}'. The socket keeps the daemon's group.");
        problems.warn(plugin.blame(&IMT_PATH_GROUP), what, None);
    }
    gid
}
