//! `qserv demo`: a sample sky, made, loaded and served by one command.

pub mod sky;
