//! qserv-adql
