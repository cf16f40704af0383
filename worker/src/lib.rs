//! qserv-worker
