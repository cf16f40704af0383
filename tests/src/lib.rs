//! qserv-tests
