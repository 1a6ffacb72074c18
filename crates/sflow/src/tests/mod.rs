//! Properties of whole datagrams, and vectors.

mod generated;
mod properties;
mod vectors;

pub(crate) use generated::Generate;
