//! The order of steps, and live tables among them.

use crate::live::{LiveLookup, LiveStep, LiveTable};
use crate::spec::{CoreSpec, NetworksSpec, PluginSpec, RouteMaps, Spec};
use crate::step::Batch;
use crate::steps::Sources;
use crate::{BatchPackets, Compiled, Context, Enricher, Loaded, Origin};
use config::keys::aggregation::{AsSource, NetSource};
use config::{Daemon, Diagnostics};
use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// AS numbers by source address, which a test changes while rows are enriched.
#[derive(Debug, Default)]
struct Routes {
    origins: RwLock<BTreeMap<IpAddr, u32>>,
    /// How often it was entered, and how often steps over it were compiled.
    reads: AtomicU32,
    compilations: AtomicU32,
}

impl Routes {
    fn announce(&self, address: &str, asn: u32) {
        self.origins.write().unwrap_or_else(PoisonError::into_inner).insert(address.parse().unwrap(), asn);
    }
}

impl LiveTable for Routes {
    type State<'a> = RwLockReadGuard<'a, BTreeMap<IpAddr, u32>>;

    fn read(&self) -> Self::State<'_> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        LiveTable::read(&self.origins)
    }
}

#[derive(Debug)]
struct OriginAs(Arc<Routes>);

impl LiveLookup<Routes> for OriginAs {
    type Compiled = (usize, usize);
    type Memory = ();

    fn require(&self, fields: &mut FieldSet) {
        if fields.has(Field::SrcAs) {
            fields.insert(Field::SrcHost);
        }
    }

    fn compile(&self, layout: &Layout) -> Option<(usize, usize)> {
        self.0.compilations.fetch_add(1, Ordering::Relaxed);
        layout.offset(Field::SrcHost).zip(layout.offset(Field::SrcAs))
    }

    fn apply(
        (host, asn): &(usize, usize),
        table: &RwLockReadGuard<'_, BTreeMap<IpAddr, u32>>,
        batch: &mut Batch<'_>,
        _memory: &mut (),
    ) {
        for mut row in batch.rows.iter_mut_from(batch.first) {
            let octets = row.bytes();
            let address = address::address(octets[*host..].first_chunk().unwrap());
            if let Some(found) = address.and_then(|address| table.get(&address)) {
                octets[*asn..*asn + 4].copy_from_slice(&found.to_be_bytes());
            }
        }
    }
}

fn spec(tags: Option<&Path>, plugins: Vec<PluginSpec>) -> Spec {
    let sources = Sources {
        nets: NetSource::Protocol,
        ases: AsSource::Protocol,
        mask: None,
        file_wins: false,
        keep_unmasked: false,
    };
    let core = CoreSpec {
        tags: tags.map(Path::to_owned),
        networks: NetworksSpec { sources, file: None, zero_outside: false },
        sampling: None,
        distinguishers: None,
        geoip: None,
        interval: None,
        renormalize: false,
        peer_ases: false,
        routes: RouteMaps::default(),
    };
    Spec { core, plugins }
}

fn plugin() -> PluginSpec {
    PluginSpec {
        name: "test".to_owned(),
        tags: None,
        networks: None,
        zero_outside: false,
        expression: None,
        tag_filter: None,
        tag2_filter: None,
        label_filter: None,
        post_tag: None,
        post_tag2: None,
        ports: None,
        protos: None,
        protocol: |_| None,
        tos: None,
        dscp: false,
        sampling: None,
        renormalize: false,
    }
}

/// The layout of rows for plugins that aggregate these fields.
fn layout(loaded: &Loaded, wanted: &[Field]) -> Layout {
    let mut fields = FieldSet::default();
    wanted.iter().for_each(|field| fields.insert(*field));
    loaded.require(&mut fields);
    Layout::new(&fields, &[])
}

fn set(rows: &mut Rows, layout: &Layout, row: usize, field: Field, octets: &[u8]) {
    let at = layout.offset(field).unwrap();
    rows.get_mut(row).unwrap().bytes()[at..at + octets.len()].copy_from_slice(octets);
}

fn number(rows: &Rows, layout: &Layout, row: usize, field: Field) -> u64 {
    let at = layout.offset(field).unwrap();
    rows.get(row).unwrap().bytes()[at..at + field.size()].iter().fold(0, |all, octet| all << 8 | u64::from(*octet))
}

const NO_PACKETS: BatchPackets<'_> = BatchPackets { references: &[], units: &[] };

#[test]
fn a_live_table_changes_between_batches_without_recompilation() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("pretag.map");
    std::fs::write(&map, "set_tag=7 src_as=64501\n").unwrap();
    let mut context = Context::new(Daemon::Nfacctd);
    context.asn.bgp = true;
    let mut problems = Diagnostics::new();
    let mut loaded = Loaded::read(&spec(Some(&map), Vec::new()), &context, &mut problems);
    let routes = Arc::new(Routes::default());
    loaded.add_live(LiveStep::new(Arc::clone(&routes), OriginAs(Arc::clone(&routes))));
    assert_eq!(problems.iter().count(), 0);

    // The map needs AS numbers, so the live step needs addresses.
    let layout = layout(&loaded, &[Field::Tag]);
    let compiled = Arc::new(loaded.compile(&layout));
    let (mut enricher, _) = Enricher::new(&compiled);
    let mut strings = Strings::default();
    let mut batch = || {
        let mut rows = Rows::new(&layout);
        for row in 0..64 {
            rows.push(&vec![0; layout.words()]);
            let host = if row % 2 == 0 { "192.0.2.1" } else { "192.0.2.2" };
            set(&mut rows, &layout, row, Field::SrcHost, &address::octets(host.parse().unwrap()));
        }
        enricher.apply(Origin { first: 0, exporter: None }, &mut rows, &mut strings, &NO_PACKETS);
        let both = |row| (number(&rows, &layout, row, Field::SrcAs), number(&rows, &layout, row, Field::Tag));
        (both(0), both(63))
    };

    assert_eq!(batch(), ((0, 0), (0, 0)));
    routes.announce("192.0.2.1", 64_500);
    routes.announce("192.0.2.2", 64_501);
    // Tags come after live tables.
    assert_eq!(batch(), ((64_500, 0), (64_501, 7)));
    routes.announce("192.0.2.1", 64_501);
    assert_eq!(batch(), ((64_501, 7), (64_501, 7)));
    assert_eq!(routes.reads.load(Ordering::Relaxed), 3, "once per batch");
    assert_eq!(routes.compilations.load(Ordering::Relaxed), 1);

    // A reload compiles everything again and keeps the table.
    let mut reloaded = Loaded::read(&spec(Some(&map), Vec::new()), &context, &mut problems);
    reloaded.add_live(LiveStep::new(Arc::clone(&routes), OriginAs(Arc::clone(&routes))));
    enricher = Enricher::new(&Arc::new(reloaded.compile(&layout))).0;
    let mut rows = Rows::new(&layout);
    rows.push(&vec![0; layout.words()]);
    set(&mut rows, &layout, 0, Field::SrcHost, &address::octets("192.0.2.1".parse().unwrap()));
    enricher.apply(Origin { first: 0, exporter: None }, &mut rows, &mut strings, &NO_PACKETS);
    assert_eq!(number(&rows, &layout, 0, Field::SrcAs), 64_501);
}

#[test]
fn no_steps_without_configuration() {
    let loaded =
        Loaded::read(&spec(None, vec![plugin()]), &Context::new(Daemon::Nfacctd), &mut Diagnostics::new());
    let compiled: Arc<Compiled> = Arc::new(loaded.compile(&layout(&loaded, &[Field::SrcHost, Field::SrcAs])));
    assert!(compiled.common().is_empty() && Enricher::new(&compiled).1[0].is_none());
}

#[test]
fn plugin_filters_match_the_tags_of_its_own_map() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("pretag.map");
    std::fs::write(&map, "set_tag=1 ip=192.0.2.1\nset_tag=2 ip=192.0.2.2\n").unwrap();
    let origin = config::Origin::whole("test.conf");
    let own = PluginSpec {
        tags: Some(map),
        tag_filter: Some(("1,3".to_owned(), origin.clone())),
        expression: Some(("tcp".to_owned(), origin)),
        post_tag: Some(9),
        ..plugin()
    };
    let mut problems = Diagnostics::new();
    let loaded = Loaded::read(&spec(None, vec![plugin(), own]), &Context::new(Daemon::Nfacctd), &mut problems);
    let layout = layout(&loaded, &[Field::Tag, Field::SrcPort]);
    let compiled = Arc::new(loaded.compile(&layout));
    let (_, mut stages) = Enricher::new(&compiled);
    let stage = stages[1].as_mut().unwrap();
    let mut rows = Rows::new(&layout);
    for row in 0..12 {
        rows.push(&vec![0; layout.words()]);
        set(&mut rows, &layout, row, Field::SrcPort, &(row as u16).to_be_bytes());
        set(&mut rows, &layout, row, Field::SrcHost, &address::octets("10.0.0.1".parse().unwrap()));
        set(&mut rows, &layout, row, Field::Proto, &[if row % 3 == 0 { 6 } else { 17 }]);
    }
    let exporter = |address: &str| Some(address.parse().unwrap());
    let origins = [
        Origin { first: 0, exporter: exporter("192.0.2.1") },
        Origin { first: 5, exporter: exporter("192.0.2.2") },
        Origin { first: 7, exporter: exporter("192.0.2.1") },
    ];
    let (kept, filtered) = stage.apply(&rows, &origins, &mut Strings::default(), &NO_PACKETS);
    let ports: Vec<u64> = (0..kept.len()).map(|row| number(kept, &layout, row, Field::SrcPort)).collect();
    assert_eq!(ports, [0, 3, 9]);
    assert!(
        (0..kept.len()).all(|row| number(kept, &layout, row, Field::Tag) == 9),
        "post_tag comes after filters"
    );
    assert_eq!((filtered.tag, filtered.expression, filtered.sampling), (2, 7, 0));
    assert_eq!(number(&rows, &layout, 0, Field::Tag), 0, "rows of other plugins are left alone");
}
