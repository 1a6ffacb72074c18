//! Where datagrams and packets come from: UDP sockets, capture files.
