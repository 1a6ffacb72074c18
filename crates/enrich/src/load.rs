//! From the files that the configuration names to one snapshot for all workers.
//!
//! [`Loaded::read`] reads all of them and collects what is wrong. [`Loaded::compile`] fits them to the rows of one layout,
//! which the caller makes from what [`Loaded::require`] asks for.

use crate::core::Core;
use crate::lists::Octets;
use crate::networks::{Outside, Resolver};
use crate::spec::{NetworksSpec, PluginSpec, Spec};
use crate::stage::{self, Filters, Sampling, Steps};
use config::{Origin, Problems};
use filter::Filter;
use flow::field::Field;
use flow::row::{FieldSet, Layout};
use geoip::Database;
use maps::by_exporter::{FlowToRdMap, SamplingMap};
use maps::checked::Checked;
use maps::load::Context;
use maps::matcher::Sight;
use maps::networks_file::Networks;
use maps::ports_file::Ports;
use maps::pre_tag::{LabelFilter, PreTagMap, TagFilter};
use maps::usage::Usage;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of a database of places. Those for all the world with every detail have some hundred million.
const MOST_PLACES: u64 = 1 << 30;

/// All files, read.
#[derive(Debug)]
pub struct Loaded {
    spec: Spec,
    tags: Option<Arc<PreTagMap>>,
    networks: Option<Arc<Networks>>,
    sampling: Option<SamplingMap>,
    distinguishers: Option<FlowToRdMap>,
    places: Option<Database>,
    plugins: Vec<LoadedPlugin>,
    sight: Sight,
    links: Arc<[i32]>,
    sizes: Vec<Size>,
}

/// A file that was read, and how much is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The key that names it.
    pub key: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// How many there are.
    pub count: usize,
    /// Of what.
    pub of: &'static str,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, path, count, of } = self;
        let s = if *count == 1 { "" } else { "s" };
        write!(f, "[{}] map successfully (re)loaded: {key}, {count} {of}{s}.", path.display())
    }
}

#[derive(Debug)]
struct LoadedPlugin {
    steps: Steps,
    networks: Option<Arc<Networks>>,
}

/// Reads files, each of them once however many name it.
struct Reader<'a> {
    context: &'a Context,
    problems: &'a mut Problems,
    networks: HashMap<PathBuf, Option<Arc<Networks>>>,
    tags: HashMap<PathBuf, Option<Arc<PreTagMap>>>,
    sizes: Vec<Size>,
}

impl Loaded {
    /// Reads all files that the configuration names. A file that cannot be read is fatal, a bad line in it is not.
    pub fn read(spec: &Spec, context: &Context, problems: &mut Problems) -> Self {
        let mut reader =
            Reader { context, problems, networks: HashMap::new(), tags: HashMap::new(), sizes: Vec::new() };
        let core = &spec.core;
        let tags = core.tags.as_deref().and_then(|path| reader.tags(path));
        let networks = reader.networks(&core.networks);
        let sampling = core
            .sampling
            .as_deref()
            .and_then(|path| reader.map("sampling_map", path, SamplingMap::parse, SamplingMap::len));
        let distinguishers = core
            .distinguishers
            .as_deref()
            .and_then(|path| reader.map("flow_to_rd_map", path, FlowToRdMap::parse, FlowToRdMap::len));
        let places = core.geoip.as_deref().and_then(|path| reader.places(path));
        reader.route_maps(spec);
        let plugins = spec.plugins.iter().map(|plugin| reader.plugin(plugin, &core.networks)).collect();
        let links =
            if context.links.is_empty() { [filter::ETHERNET].into() } else { context.links.as_slice().into() };
        let sizes = reader.sizes;
        let (spec, sight) = (spec.clone(), context.sight());
        Self { spec, tags, networks, sampling, distinguishers, places, plugins, sight, links, sizes }
    }

    /// What was read, each file once, with how much is in it.
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// Warns of rules that no record can reach.
    pub fn review(&self, problems: &mut Problems) {
        let of_plugins = self.plugins.iter().filter_map(|plugin| plugin.steps.tags.as_ref());
        self.tags.iter().chain(of_plugins).for_each(|tags| tags.review(problems));
        if let Some(sampling) = &self.sampling {
            sampling.review(problems);
        }
        if let Some(distinguishers) = &self.distinguishers {
            distinguishers.review(problems);
        }
    }

    /// Adds the fields that the files read and write. `fields` has those that plugins aggregate.
    pub fn require(&self, fields: &mut FieldSet) {
        for plugin in &self.plugins {
            plugin.steps.require(fields);
        }
        if let Some(tags) = &self.tags {
            tags.require(fields);
        }
        if let (Some(map), true) = (&self.distinguishers, fields.has(Field::MplsVpnRd)) {
            map.require(fields);
        }
        if self.samples() {
            fields.insert(Field::SamplingRate);
            if let Some(map) = &self.sampling {
                map.require(fields);
            }
        }
        if self.places.is_some() {
            geoip::Enricher::require(fields);
        }
        let of_plugins = self.spec.plugins.iter().filter_map(|plugin| plugin.networks.as_ref());
        for networks in std::iter::once(&self.spec.core.networks).chain(of_plugins) {
            if !networks.sources.is_plain() {
                networks.sources.require(fields);
            }
        }
    }

    fn samples(&self) -> bool {
        self.sampling.is_some() || self.spec.core.interval.is_some()
    }

    /// Fits everything to rows of `layout`.
    pub fn compile(&self, layout: &Layout) -> Compiled {
        let spec = &self.spec.core;
        // Where a plugin has networks of its own, those of the core would stand in their way; a map of the core needs them all
        // the same.
        let own = self.spec.plugins.iter().any(|plugin| plugin.networks.is_some());
        let apart = own && self.tags.is_none();
        let core = Core {
            tags: self.tags.as_ref().map(|tags| tags.compile(layout, self.sight)),
            networks: Some(Resolver::new(spec.networks.sources, self.networks.clone(), layout))
                .filter(|networks| !apart && !networks.is_idle()),
            sampling: self.sampling.as_ref().map(|map| map.compile(layout)),
            distinguishers: self
                .distinguishers
                .as_ref()
                .filter(|_| layout.offset(Field::MplsVpnRd).is_some())
                .map(|map| map.compile(layout)),
            places: self.places.clone(),
            samples: self.samples(),
            interval: spec.interval,
            renormalize: spec.renormalize,
            sampling_at: layout.offset(Field::SamplingRate),
            rd: layout.offset(Field::MplsVpnRd),
            rd_origin: layout.offset(Field::MplsVpnRdOrigin),
        };
        let plugins = self.plugins.iter().zip(&self.spec.plugins).map(|(plugin, spec)| {
            let networks = spec.networks.as_ref().or(apart.then_some(&self.spec.core.networks));
            let networks = networks.map(|own| Resolver::new(own.sources, plugin.networks.clone(), layout));
            let file = plugin.networks.clone().filter(|_| spec.zero_outside);
            let outside = file.map(|file| Outside::new(file, layout));
            stage::Compiled::new(&plugin.steps, networks, outside, layout, self.sight)
        });
        Compiled { core, plugins: plugins.collect(), layout: layout.clone(), links: Arc::clone(&self.links) }
    }
}

impl Reader<'_> {
    fn octets(&mut self, key: &str, path: &Path) -> Option<Vec<u8>> {
        self.taken(key, path, config::text::read(path))
    }

    /// What was read, or a problem.
    fn taken(&mut self, key: &str, path: &Path, read: std::io::Result<Vec<u8>>) -> Option<Vec<u8>> {
        match read {
            Ok(octets) => Some(octets),
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

    /// Reads a map of rules, of which there are `len`.
    fn map<T>(
        &mut self,
        key: &'static str,
        path: &Path,
        parse: impl FnOnce(&Origin, &[u8], &Context, &mut Problems) -> T,
        len: impl FnOnce(&T) -> usize,
    ) -> Option<T> {
        let octets = self.octets(key, path)?;
        let origin = Origin::whole(&path.display().to_string());
        let map = parse(&origin, &octets, self.context, self.problems);
        self.size(key, path, len(&map), "rule");
        Some(map)
    }

    /// Notes how much is in a file; several plugins may name one.
    fn size(&mut self, key: &'static str, path: &Path, count: usize, of: &'static str) {
        let size = Size { key, path: path.to_owned(), count, of };
        if !self.sizes.contains(&size) {
            self.sizes.push(size);
        }
    }

    /// The same of a list, and what becomes of values when there are none in it.
    fn list_size(&mut self, size: (&'static str, &Path, usize, &'static str), without: &str) {
        let (key, path, count, of) = size;
        if count == 0 {
            let origin = Origin::whole(&path.display().to_string());
            self.problems.remark(&origin, format!("{key}: there is no {of} in it: {without}."), None);
        }
        self.size(key, path, count, of);
    }

    fn tags(&mut self, path: &Path) -> Option<Arc<PreTagMap>> {
        if let Some(known) = self.tags.get(path) {
            return known.clone();
        }
        let parse = |origin: &Origin, text: &[u8], context: &Context, problems: &mut Problems| {
            Arc::new(PreTagMap::parse(origin, text, context, problems))
        };
        let map = self.map("pre_tag_map", path, parse, |map| map.len());
        self.tags.insert(path.to_owned(), map.clone());
        map
    }

    fn networks(&mut self, spec: &NetworksSpec) -> Option<Arc<Networks>> {
        let path = spec.file.as_ref()?;
        if let Some(known) = self.networks.get(path) {
            return known.clone();
        }
        let octets = self.octets("networks_file", path);
        let name = path.display().to_string();
        let file = octets.map(|octets| Arc::new(Networks::parse(&name, &octets, self.problems)));
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

    fn places(&mut self, path: &Path) -> Option<Database> {
        let octets = self.taken("geoipv2_file", path, config::text::read_bytes(path, MOST_PLACES))?;
        match Database::from_octets(octets) {
            Ok(database) => Some(database),
            Err(error) => {
                let origin = Origin::whole(&path.display().to_string());
                self.problems.fatal(&origin, format!("geoipv2_file: {error}."), None);
                None
            }
        }
    }

    /// Maps that wait for routes are read so that their faults are known.
    fn route_maps(&mut self, spec: &Spec) {
        let routes = &spec.core.routes;
        for (key, path, kind) in [
            ("bgp_agent_map", &routes.agent, Checked::BgpAgent),
            ("bgp_peer_src_as_map", &routes.peer_src_as, Checked::BgpSource),
            ("bgp_src_local_pref_map", &routes.src_local_pref, Checked::BgpSource),
            ("bgp_src_med_map", &routes.src_med, Checked::BgpSource),
        ] {
            if let Some(path) = path {
                let check = |origin: &Origin, text: &[u8], context: &Context, problems: &mut Problems| {
                    kind.check(origin, text, context, problems)
                };
                self.map(key, path, check, |count| *count);
            }
        }
    }

    fn list(
        &mut self,
        key: &'static str,
        path: Option<&Path>,
        value: impl Fn(&str) -> Option<u8>,
    ) -> Option<Octets> {
        let path = path?;
        let octets = self.octets(key, path)?;
        let (name, text) = (path.display().to_string(), String::from_utf8_lossy(&octets));
        let list = Octets::parse(&name, &text, key, value, self.problems);
        self.list_size((key, path, list.len(), "value"), "all become 255");
        Some(list)
    }

    fn plugin(&mut self, spec: &PluginSpec, core: &NetworksSpec) -> LoadedPlugin {
        let name = &spec.name;
        let ports = spec.ports.as_deref().and_then(|path| {
            let octets = self.octets("ports_file", path)?;
            let (file, text) = (path.display().to_string(), String::from_utf8_lossy(&octets));
            let ports = Ports::parse(&file, &text, self.problems);
            self.list_size(("ports_file", path, ports.len(), "port"), "all become 0");
            Some(Arc::new(ports))
        });
        let number = |word: &str| word.parse().ok();
        let expression = spec.expression.as_ref().and_then(|(text, origin)| {
            match Filter::compile_for_all(&self.context.links, text) {
                Ok(filter) => Some(filter),
                Err(error) => {
                    let what = format!("aggregate_filter[{name}]: '{text}': {error}.");
                    let hint = "A libpcap expression, such as src net 192.0.2.0/24 and tcp.";
                    self.problems.fatal(origin, what, Some(hint.to_owned()));
                    None
                }
            }
        });
        let steps = Steps {
            tags: spec.tags.as_deref().and_then(|path| self.tags(path)),
            filters: Filters {
                expression,
                tag: spec.tag_filter.as_ref().map(|(t, origin)| TagFilter::parse(t, origin, self.problems)),
                tag2: spec.tag2_filter.as_ref().map(|(t, origin)| TagFilter::parse(t, origin, self.problems)),
                label: spec.label_filter.as_ref().map(|(text, _)| LabelFilter::parse(text)),
            },
            post_tag: spec.post_tag,
            post_tag2: spec.post_tag2,
            ports,
            protos: self.list("protos_file", spec.protos.as_deref(), |word| {
                number(word).or_else(|| (spec.protocol)(word))
            }),
            tos: self.list("tos_file", spec.tos.as_deref(), number),
            dscp: spec.dscp,
            sampling: spec.sampling.map(|interval| Sampling { interval, renormalize: spec.renormalize }),
        };
        let networks = self.networks(spec.networks.as_ref().unwrap_or(core));
        LoadedPlugin { steps, networks }
    }
}

/// What workers run: the same for all of them, and whole.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) core: Core,
    plugins: Vec<Option<stage::Compiled>>,
    layout: Layout,
    links: Arc<[i32]>,
}

impl Compiled {
    /// Which rules have matched since the files were read: of the core's maps, then of each plugin that has one, by number.
    pub fn usages(&self) -> impl Iterator<Item = (Option<usize>, &Usage)> {
        let Core { tags, sampling, distinguishers, .. } = &self.core;
        let core = [
            tags.as_ref().map(maps::pre_tag::Compiled::usage),
            sampling.as_ref().map(maps::by_exporter::Values::usage),
            distinguishers.as_ref().map(maps::by_exporter::Values::usage),
        ];
        let plugins = self.plugins.iter().enumerate();
        let plugins = plugins.filter_map(|(number, plugin)| Some((Some(number), plugin.as_ref()?.usage()?)));
        core.into_iter().flatten().map(|usage| (None, usage)).chain(plugins)
    }

    /// Plugins, with a stage or without.
    pub(crate) fn plugins(&self) -> usize {
        self.plugins.len()
    }

    /// The stage of the plugin of that number, if it has one.
    pub(crate) fn plugin(&self, number: usize) -> Option<&stage::Compiled> {
        self.plugins.get(number)?.as_ref()
    }

    /// Link types of the frames that filters were compiled for.
    pub(crate) fn links(&self) -> &[i32] {
        &self.links
    }

    /// The layout of the rows.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }
}
