//! Reloads the operator's files. Workers apply the result as a whole, between two batches.

use super::Flows;
use super::settings::read_files;
use super::worker::Snapshot;
use crate::allow;
use crate::host::describe;
use crate::host::part::{Commit, Prepare};
use config::problem::Severity;
use config::{Diagnostics, Origin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::{error, info, warn};

/// Reads and compiles the files in the reload's thread; on errors, logs them and changes nothing.
pub(super) fn prepare(flows: &Flows) -> Prepare {
    let settings = &flows.settings;
    let (enrichment, context) = (settings.enrichment.clone(), settings.context.clone());
    let routes = settings.routes.clone();
    let (allow_file, names) = (settings.allow_file.clone(), settings.names.clone());
    let (requests, wakes, before) = (Arc::clone(&flows.requests), Arc::clone(&flows.wakes), flows.current());
    let tees: Vec<_> = flows.tees.iter().map(|tee| tee.rereader()).collect();
    let threads = flows.threads.clone();
    let of_input = flows.input.prepare_reload();
    #[cfg(feature = "pcap")]
    let interfaces = flows.input.interfaces();
    Box::new(move || {
        let mut problems = Diagnostics::new();
        #[cfg(feature = "pcap")]
        let interfaces = interfaces.map(|read| read(&context, &mut problems));
        let files = read_files(&enrichment, &context, routes.as_ref(), &mut problems);
        let allow = allow_file.and_then(|path| {
            let origin = Origin::whole(&path.display().to_string());
            allow::read(names.of(&config::keys::maps::NFACCTD_ALLOW_FILE), &path, &origin, &mut problems)
        });
        let reread: Vec<_> = tees.iter().map(|tee| tee.reread(&context, &mut problems)).collect();
        let (errors, remarks): (Vec<_>, Vec<_>) = (problems.joined().into_iter())
            .filter(|problem| problem.severity > Severity::Debug)
            .partition(|problem| problem.severity >= Severity::Warning);
        if !errors.is_empty() {
            errors.iter().for_each(|problem| error!("{}", describe(problem)));
            return None;
        }
        remarks.iter().for_each(|remark| warn!("{}", describe(remark)));
        files.sizes().iter().for_each(|size| info!("{size}"));
        if let Some(threads) = threads {
            let started = reread.iter().try_for_each(|receivers| receivers.start(&threads));
            if let Err(what) = started {
                error!("{what}");
                return None;
            }
        }
        let of_input = match of_input {
            Some(prepare) => Some(prepare()?),
            None => None,
        };
        let snapshot = Snapshot {
            allow,
            pipeline: Arc::new(
                before?.reloaded(reread.iter().map(|receivers| receivers.plan()).collect(), &files),
            ),
            #[cfg(feature = "pcap")]
            interfaces,
        };
        Some(Box::new(move || {
            if let Some(commit) = of_input {
                commit();
            }
            if let Ok(mut newest) = requests.snapshot.write() {
                *newest = Some(snapshot);
            }
            requests.version.fetch_add(1, Ordering::AcqRel);
            reread.iter().for_each(|receivers| receivers.follow());
            wakes.iter().for_each(|wake| wake());
        }) as Commit)
    })
}
