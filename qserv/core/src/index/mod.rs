//! The key index.
