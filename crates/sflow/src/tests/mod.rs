//! Properties of whole datagrams, and vectors.

mod made;
mod properties;
mod vectors;

pub(crate) use made::Made;
