//! qserv-udfs
