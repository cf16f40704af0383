//! The sky.
