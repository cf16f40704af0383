//! Table declarations.
