//! The sky partition.
