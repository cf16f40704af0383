//! qserv-engine
