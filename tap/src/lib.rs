//! qserv-tap
