//! The rows of plugins that write to a server or a database.
#![cfg_attr(
    not(any(feature = "amqp", feature = "kafka", feature = "sql")),
    allow(dead_code, unused_imports, reason = "no store is built in")
)]

use super::{Kind, Named, Read, Running, Sink, TABLES};
use crate::store::{self, Opened, Settings, Target};
use config::keys::amqp::AMQP_ROUTING_KEY;
use config::keys::kafka::{KAFKA_PARTITION_KEY, KAFKA_TOPIC};
use config::keys::sql::{SQL_BACKUP_HOST, SQL_DB, SQL_TABLE};
use config::{Diagnostics, Plugin};
use delivery::StoreError;
use encode::names;
use flow::schema::Schema;
use runtime::clock;
use runtime::confine::Access;
use std::io;
use std::path::{Path, PathBuf};

/// SQLite's folders for temporary files.
const TEMPORARY: &[&str] = &["/var/tmp", "/tmp"];

/// What the four databases have in common.
pub(super) const DATABASE: Kind = Kind { feature: Some("sql"), names: database_names, read: DATABASES, ..TABLES };

#[cfg(not(feature = "sql"))]
const DATABASES: Option<Read> = None;
#[cfg(feature = "sql")]
const DATABASES: Option<Read> = Some(|plugin, problems| {
    let settings = sql::Settings::read(plugin, problems);
    let variables = settings.variables();
    Store::read(plugin, Target::Sql(Box::new(settings)), variables, problems)
});

#[cfg(not(feature = "kafka"))]
pub(super) const KAFKA: Option<Read> = None;
#[cfg(feature = "kafka")]
pub(super) const KAFKA: Option<Read> = Some(|plugin, problems| {
    let messages = brokers::settings::Messages::read(plugin, crate::sink::style(plugin), problems);
    let settings = brokers::settings::Kafka::read(plugin, problems);
    Store::read(plugin, Target::Kafka(Box::new(messages), Box::new(settings)), Vec::new(), problems)
});

#[cfg(not(feature = "amqp"))]
pub(super) const AMQP: Option<Read> = None;
#[cfg(feature = "amqp")]
pub(super) const AMQP: Option<Read> = Some(|plugin, problems| {
    let messages = brokers::settings::Messages::read(plugin, crate::sink::style(plugin), problems);
    let settings = brokers::settings::Amqp::read(plugin);
    Store::read(plugin, Target::Amqp(Box::new(messages), Box::new(settings)), Vec::new(), problems)
});

fn database_names(plugin: &Plugin) -> Vec<Named> {
    vec![("sql_table", plugin.get(&SQL_TABLE), names::of_names)]
}

pub(super) fn kafka_names(plugin: &Plugin) -> Vec<Named> {
    vec![
        ("kafka_topic", Some(plugin.get(&KAFKA_TOPIC)), names::of_records),
        ("kafka_partition_key", plugin.get(&KAFKA_PARTITION_KEY), brokers::encoder::key_variable),
    ]
}

pub(super) fn amqp_names(plugin: &Plugin) -> Vec<Named> {
    vec![("amqp_routing_key", Some(plugin.get(&AMQP_ROUTING_KEY)), names::of_records)]
}

pub(super) fn sqlite_access(plugin: &Plugin, access: &mut Access) {
    // Stands for files of a folder whose names are not known yet.
    const ANY: &str = "any";
    access.written_in_existing.push(plugin.get(&SQL_DB).into());
    access.written_in_existing.extend(plugin.get(&SQL_BACKUP_HOST).map(PathBuf::from));
    access.written_in_existing.extend(std::env::var_os("TMPDIR").map(|folder| Path::new(&folder).join(ANY)));
    access.written_in_existing.extend(TEMPORARY.iter().map(|folder| Path::new(folder).join(ANY)));
}

struct Store {
    settings: Settings,
    target: Target,
    opened: Option<Opened>,
}

impl Store {
    fn read(
        plugin: &Plugin,
        target: Target,
        variables: Vec<(&'static str, String)>,
        problems: &mut Diagnostics,
    ) -> Box<dyn Sink> {
        Box::new(Self { settings: Settings::read(plugin, variables, problems), target, opened: None })
    }
}

impl Sink for Store {
    fn spools(&self) -> bool {
        self.settings.spool.is_some()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.target.check_settings()
    }

    fn be_patient(&mut self) {
        self.settings.exit = self.settings.exit.patient();
    }

    fn check_columns(&self, schema: &Schema) -> Result<(), String> {
        self.target.check(schema)
    }

    fn set_up(&mut self, schema: &Schema) -> Result<(), String> {
        let (encoder, backend) = self.target.make(schema, clock::now() / 1_000_000);
        self.opened = Some(Opened::new(&self.settings, encoder, backend)?);
        Ok(())
    }

    fn try_out(&mut self) -> Result<(), String> {
        let name = &self.settings.name;
        self.opened.as_mut().map_or(Ok(()), |opened| opened.try_store(name))
    }

    fn start(self: Box<Self>, running: Running) -> io::Result<()> {
        let Running { name, identity, schema, inlet, counters, threads, .. } = running;
        let Self { settings, opened: Some(opened), .. } = *self else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let (worker, as_plugin) = (format!("{name}/delivery"), identity.clone());
        let starter = threads.clone();
        threads.spawn(format!("{}[{name}]", settings.kind), identity, move || {
            let failing = starter.clone();
            let spawn = |work| {
                if let Err(error) = starter.spawn_aside(worker, as_plugin, work) {
                    tracing::error!("cannot start a thread, nothing will be written: {error}");
                }
            };
            let fail = move |what| failing.fail(what);
            store::run(&settings, &schema, opened, inlet, counters, spawn, fail);
        })
    }
}
