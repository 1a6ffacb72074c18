//! The row of the print plugin.

use super::{Named, Owned, Owning, Running, Sink, max_aggregates};
use crate::print::{self, Settings};
use config::keys::output::{PRINT_LATEST_FILE, PRINT_OUTPUT_FILE};
use config::{Diagnostics, Plugin};
use encode::names;
use flow::schema::Schema;
use runtime::confine::Access;
use std::io;
use std::path::PathBuf;

struct Print {
    settings: Settings,
    owned: Vec<Owned>,
}

pub(super) fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Box<dyn Sink> {
    let settings = Settings { max_aggregates: max_aggregates(plugin), ..Settings::read(plugin, problems) };
    let how = if settings.append { Owning::Appends } else { Owning::Overwrites };
    // Files named after fields of records differ if the plugins' records do.
    let is_one =
        |template: &Option<_>| template.as_ref().is_some_and(|name: &encode::names::Template| !name.has_record());
    let files = [
        ("print_output_file", plugin.get(&PRINT_OUTPUT_FILE).filter(|_| is_one(&settings.file))),
        ("print_latest_file", plugin.get(&PRINT_LATEST_FILE).filter(|_| is_one(&settings.latest))),
    ];
    let owned = files.into_iter().filter_map(|(key, path)| Some(Owned { key, path: path?, how })).collect();
    Box::new(Print { settings, owned })
}

// In other plugins the same setting is the name of a table.
pub(super) fn access(plugin: &Plugin, access: &mut Access) {
    access.written.extend(plugin.get(&PRINT_OUTPUT_FILE));
}

pub(super) fn names(plugin: &Plugin) -> Vec<Named> {
    let text = |path: Option<PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
    vec![
        ("print_output_file", text(plugin.get(&PRINT_OUTPUT_FILE)), names::of_names),
        ("print_latest_file", text(plugin.get(&PRINT_LATEST_FILE)), names::of_names),
    ]
}

impl Sink for Print {
    fn owns(&self) -> Vec<Owned> {
        self.owned.clone()
    }

    fn check_columns(&self, schema: &Schema) -> Result<(), String> {
        let unsupported = self.settings.unsupported(schema);
        if unsupported.is_empty() {
            return Ok(());
        }
        let (name, columns) = (&self.settings.name, unsupported.join(", "));
        Err(format!(
            "aggregate[{name}]: formatted output cannot show {columns}; csv and json can (print_output[{name}])"
        ))
    }

    fn start(self: Box<Self>, running: Running) -> io::Result<()> {
        let Running { name, identity, schema, inlet, counters, threads, .. } = running;
        threads.spawn(format!("print[{name}]"), identity, move || {
            print::run(&self.settings, &schema, inlet, counters);
        })
    }
}
