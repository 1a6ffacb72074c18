//! Reads the files that the configuration names.

use crate::lists::ValueSet;
use crate::spec::{NetworksSpec, PluginSpec, RouteMaps, Spec};
use config::{Diagnostics, Origin};
use filter::Filter;
use geoip::Database;
use maps::load::Context;
use maps::networks_file::Networks;
use maps::ports_file::Ports;
use maps::pre_tag::PreTagMap;
use maps::routes::{AgentMap, NextHopMap};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Size limit of a `geoipv2_file`, in bytes. Files for the whole world with all details have a few hundred million.
const MAX_GEOIP_BYTES: u64 = 1 << 30;

/// A file that was read, and its number of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The key that names it.
    pub key: &'static str,
    /// Its path.
    pub path: PathBuf,
    /// Number of entries.
    pub count: usize,
    /// What the entries are.
    pub of: &'static str,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, path, count, of } = self;
        let s = if *count == 1 { "" } else { "s" };
        write!(f, "[{}] map successfully (re)loaded: {key}, {count} {of}{s}.", path.display())
    }
}

/// The maps that the look-up of routes needs.
#[derive(Clone, Debug, Default)]
pub struct RouteFiles {
    /// `bgp_agent_map`.
    pub agents: Option<Arc<AgentMap>>,
    /// `bgp_peer_dst_ip_map`.
    pub next_hops: Option<Arc<NextHopMap>>,
}

/// Reads files, each only once even if several settings name it.
pub(crate) struct Reader<'a> {
    pub(crate) context: &'a Context,
    pub(crate) problems: &'a mut Diagnostics,
    /// Networks for plugins without settings of their own.
    pub(crate) common_networks: &'a NetworksSpec,
    /// Each plugin resolves the networks of its rows.
    pub(crate) networks_by_plugin: bool,
    networks: HashMap<PathBuf, Option<Arc<Networks>>>,
    tags: HashMap<PathBuf, Option<Arc<PreTagMap>>>,
    sizes: Vec<Size>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(spec: &'a Spec, context: &'a Context, problems: &'a mut Diagnostics) -> Self {
        let own = spec.plugins.iter().any(|plugin| plugin.networks.is_some());
        Self {
            context,
            problems,
            common_networks: &spec.core.networks,
            networks_by_plugin: own && spec.core.tags.is_none(),
            networks: HashMap::new(),
            tags: HashMap::new(),
            sizes: Vec::new(),
        }
    }

    /// The files that were read, each once.
    pub(crate) fn into_sizes(self) -> Vec<Size> {
        self.sizes
    }
}

impl Reader<'_> {
    fn bytes(&mut self, key: &str, path: &Path) -> Option<Vec<u8>> {
        self.or_report(key, path, config::text::read(path))
    }

    /// Returns the contents, or reports an error.
    fn or_report(&mut self, key: &str, path: &Path, read: std::io::Result<Vec<u8>>) -> Option<Vec<u8>> {
        match read {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let origin = Origin::whole(&path.display().to_string());
                let what = if error.kind() == std::io::ErrorKind::NotFound {
                    format!("{key}: file not found.")
                } else {
                    format!("{key}: {error}.")
                };
                self.problems.fatal(&origin, what, None);
                None
            }
        }
    }

    /// Reads a map with `len` rules.
    pub(crate) fn map<T>(
        &mut self,
        key: &'static str,
        path: &Path,
        parse: impl FnOnce(&Origin, &[u8], &Context, &mut Diagnostics) -> T,
        len: impl FnOnce(&T) -> usize,
    ) -> Option<T> {
        let bytes = self.bytes(key, path)?;
        let origin = Origin::whole(&path.display().to_string());
        let map = parse(&origin, &bytes, self.context, self.problems);
        self.size(key, path, len(&map), "rule");
        Some(map)
    }

    /// Records the number of entries of a file; several plugins may name one file.
    fn size(&mut self, key: &'static str, path: &Path, count: usize, of: &'static str) {
        let size = Size { key, path: path.to_owned(), count, of };
        if !self.sizes.contains(&size) {
            self.sizes.push(size);
        }
    }

    /// Records the number of entries of a list, and reports the effect of an empty one.
    fn list_size(&mut self, size: (&'static str, &Path, usize, &'static str), without: &str) {
        let (key, path, count, of) = size;
        if count == 0 {
            let origin = Origin::whole(&path.display().to_string());
            self.problems.remark(&origin, format!("{key}: the file has no {of}: {without}."), None);
        }
        self.size(key, path, count, of);
    }

    /// `pre_tag_map`.
    pub(crate) fn tags(&mut self, path: &Path) -> Option<Arc<PreTagMap>> {
        if let Some(read) = self.tags.get(path) {
            return read.clone();
        }
        let parse = |origin: &Origin, text: &[u8], context: &Context, problems: &mut Diagnostics| {
            Arc::new(PreTagMap::parse(origin, text, context, problems))
        };
        let map = self.map("pre_tag_map", path, parse, |map| map.len());
        self.tags.insert(path.to_owned(), map.clone());
        map
    }

    /// `networks_file`.
    pub(crate) fn networks(&mut self, spec: &NetworksSpec) -> Option<Arc<Networks>> {
        let path = spec.file.as_ref()?;
        if let Some(read) = self.networks.get(path) {
            return read.clone();
        }
        let bytes = self.bytes("networks_file", path);
        let name = path.display().to_string();
        let file = bytes.map(|bytes| Arc::new(Networks::parse(&name, &bytes, self.problems)));
        if let Some(networks) = &file {
            let size = ("networks_file", path.as_path(), networks.len(), "network");
            match spec.zero_outside {
                true => self.list_size(size, "networks_file_filter makes all addresses 0"),
                false => self.size(size.0, size.1, size.2, size.3),
            }
        }
        self.networks.insert(path.clone(), file.clone());
        file
    }

    /// `geoipv2_file`.
    pub(crate) fn geoip(&mut self, path: &Path) -> Option<Database> {
        let bytes = self.or_report("geoipv2_file", path, config::text::read_bytes(path, MAX_GEOIP_BYTES))?;
        match Database::from_bytes(bytes) {
            Ok(database) => Some(database),
            Err(error) => {
                let origin = Origin::whole(&path.display().to_string());
                self.problems.fatal(&origin, format!("geoipv2_file: {error}."), None);
                None
            }
        }
    }

    /// Reads the maps that the look-up of routes needs.
    pub(crate) fn routes(&mut self, spec: &RouteMaps) -> RouteFiles {
        RouteFiles {
            agents: spec
                .agent
                .as_deref()
                .and_then(|path| self.map("bgp_agent_map", path, AgentMap::parse, AgentMap::len))
                .map(Arc::new),
            next_hops: spec
                .peer_dst_ip
                .as_deref()
                .and_then(|path| self.map("bgp_peer_dst_ip_map", path, NextHopMap::parse, NextHopMap::len))
                .map(Arc::new),
        }
    }

    /// `protos_file` and `tos_file`.
    pub(crate) fn list(
        &mut self,
        key: &'static str,
        path: Option<&Path>,
        value: impl Fn(&str) -> Option<u8>,
    ) -> Option<ValueSet> {
        let path = path?;
        let bytes = self.bytes(key, path)?;
        let (name, text) = (path.display().to_string(), String::from_utf8_lossy(&bytes));
        let list = ValueSet::parse(&name, &text, key, value, self.problems);
        self.list_size((key, path, list.len(), "value"), "all values become 255");
        Some(list)
    }

    /// The `networks_file` of a plugin: its own, or the global one.
    pub(crate) fn networks_of(&mut self, spec: &PluginSpec) -> Option<Arc<Networks>> {
        self.networks(spec.networks.as_ref().unwrap_or(self.common_networks))
    }

    /// `ports_file`.
    pub(crate) fn ports(&mut self, path: Option<&Path>) -> Option<Arc<Ports>> {
        let path = path?;
        let bytes = self.bytes("ports_file", path)?;
        let (file, text) = (path.display().to_string(), String::from_utf8_lossy(&bytes));
        let ports = Ports::parse(&file, &text, self.problems);
        self.list_size(("ports_file", path, ports.len(), "port"), "all ports become 0");
        Some(Arc::new(ports))
    }

    /// `aggregate_filter`.
    pub(crate) fn expression(&mut self, spec: &PluginSpec) -> Option<Filter> {
        let (text, origin) = spec.expression.as_ref()?;
        match Filter::compile_for_all(&self.context.links, text) {
            Ok(filter) => Some(filter),
            Err(error) => {
                let what = format!("aggregate_filter[{}]: '{text}': {error}.", spec.name);
                let hint = "Use a libpcap expression, such as src net 192.0.2.0/24 and tcp.";
                self.problems.fatal(origin, what, Some(hint.to_owned()));
                None
            }
        }
    }
}
