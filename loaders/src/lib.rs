//! qserv-loaders
