//! Route origin validation: VRPs from ROA files and from RTR caches.
#![forbid(unsafe_code)]
