//! qserv-czar
