//! Opening Avro container files to append to them.

use encode::avro::container::{self, Sync};
use runtime::files;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use tracing::warn;

/// Opens a container file to append blocks, and creates it with its head if it is missing or empty. `sync` is the marker of a new
/// file; the marker of the opened one is returned.
pub(crate) fn append(
    path: &Path,
    settings: &files::Settings,
    schema: &str,
    sync: Sync,
) -> io::Result<(File, Sync)> {
    let mut file = files::append(path, settings)?;
    let status = file.metadata()?;
    if !status.is_file() || status.len() == 0 {
        let mut head = Vec::new();
        container::head(&mut head, schema, &sync);
        // A head that is not written as a whole would make the file useless.
        if let Err(error) = file.write_all(&head) {
            let _ = file.set_len(0);
            return Err(error);
        }
        return Ok((file, sync));
    }
    // The same rules for links as above; the path has none then.
    let mut before = File::open(files::resolve(path, settings)?)?;
    let refuse = |what: &str| {
        let what = format!("{what}; rename the file, and a new one is created");
        io::Error::new(ErrorKind::InvalidData, what)
    };
    let head = container::read_head(&mut before).map_err(|error| refuse(&error.to_string()))?;
    if head.schema != schema {
        return Err(refuse("the file has another Avro schema"));
    }
    if head.codec.as_ref().is_some_and(|codec| codec != "null") {
        return Err(refuse("the blocks of the file are compressed"));
    }
    let whole = container::whole(&mut before, &head)?;
    if whole < status.len() {
        warn!(bytes = status.len() - whole, "{}: removing an incomplete block from the end", path.display());
        file.set_len(whole)?;
    }
    Ok((file, head.sync))
}
