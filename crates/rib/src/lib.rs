//! Routes of many peers: longest-prefix match, interned attribute sets, and readers that never wait long for a writer.
#![forbid(unsafe_code)]
