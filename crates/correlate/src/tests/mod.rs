//! Look-ups in a RIB that is filled by hand. Each rule of docs/correlation.md has a test here.

mod attributes;
mod files;
mod follow;
mod paths;
mod peers;
mod preference;
mod properties;
mod routers;
mod routers_model;
mod sources;
mod validity;
mod vpns;
mod world;
