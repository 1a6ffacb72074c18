//! What listeners for sessions of routers share: BGP and BMP.
//!
//! | module | what it is |
//! |---|---|
//! | [`accept`] | the loop that accepts connections |
//! | [`admission`] | which connections become sessions |
//! | [`settings`] | reading of settings and files |

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod settings;
