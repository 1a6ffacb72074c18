//! The metrics endpoint.

use crate::key::*;

keys! {
    /// Address on which the daemon serves metrics and health over HTTP: `/metrics`, `/healthz` and `/readyz`.
    ///
    /// `ADDRESS:PORT`, such as `127.0.0.1:9980` or `[::1]:9980`, or the absolute path of a Unix socket. Without this key there is no
    /// endpoint. It has no authentication and no encryption: an address that other machines can reach causes a warning. Port 0 lets the kernel
    /// choose a port, which the log names. The address is bound before the daemon changes its user. docs/metrics.md lists all metrics.
    HTTP_LISTEN: Option<String> = text(&["http_listen"]).acts();

    /// Mode of the Unix socket of `http_listen`, in octal: users who may write to it can read the metrics.
    HTTP_LISTEN_MODE: u32 = octal(&["http_listen_mode"], 0, 0o777).default("660").acts();

    /// Group of the Unix socket of `http_listen`: a name or a number. The daemon must be a member of it, or start as root.
    HTTP_LISTEN_GROUP: Option<String> = text(&["http_listen_group"]).acts();
}
