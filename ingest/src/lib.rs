//! qserv-ingest
