//! What capture files of datagrams and of packets have in common.

use crate::host::blame;
use crate::host::part::Reading;
use capture::pcap_file::{Settings, Source};
use config::Config;
use config::keys::input;

/// The file that the configuration names, and how it is read.
pub(super) fn read(config: &Config) -> Option<Settings> {
    Some(Settings {
        path: config.core(&input::PCAP_SAVEFILE)?,
        wait: config.core(&input::PCAP_SAVEFILE_WAIT),
        delay: config.core(&input::PCAP_SAVEFILE_DELAY),
        replay: config.core(&input::PCAP_SAVEFILE_REPLAY),
    })
}

/// The link types of a capture file; with `known`, they must be supported. A pipe is not opened: it can be read
/// only once.
pub(super) fn links(reading: &mut Reading<'_>, settings: &Settings, known: bool) -> Option<Vec<i32>> {
    if std::fs::metadata(&settings.path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return None;
    }
    let opened = Source::open(settings).map_err(|error| error.to_string()).and_then(|file| {
        let unknown = file.links().into_iter().find(|link| link.name().is_none());
        match unknown.filter(|_| known) {
            Some(link) => {
                Err(format!("{}: frames of link type {} cannot be read", settings.path.display(), link.0))
            }
            None => Ok(file.links()),
        }
    });
    match opened {
        Ok(links) => Some(links.into_iter().map(|link| link.0 as i32).collect()),
        Err(error) => {
            let origin = blame(reading.config, &input::PCAP_SAVEFILE);
            reading.problems.fatal(origin, format!("pcap_savefile: {error}"), None);
            None
        }
    }
}
