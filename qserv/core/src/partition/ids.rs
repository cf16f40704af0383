//! The names of cells, chunks and sub-chunks, and of the pixelizations that make them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{H3, Healpix, Pixelization};
use crate::{Error, Result};

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numbered!(
    /// A chunk: the cell of the database's chunk order. HEALPix: the nested pixel number (HATS `Npix`). H3: the H3 index.
    /// Below 2^63 in both, so that it fits SQL and Arrow's signed integers.
    ChunkId
);
numbered!(
    /// A sub-chunk: a cell of the sub-chunk order, numbered as [`ChunkId`].
    SubChunkId
);
numbered!(
    /// A cell of a pixelization at an order that the context names, numbered as [`ChunkId`].
    Cell
);

/// A hierarchical division of the sphere into cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelizationKind {
    /// HEALPix in the nested scheme: equal areas, exact parents, the layout of HATS.
    #[default]
    Healpix,
    /// H3: hexagons; all neighbours share an edge.
    H3,
}

impl PixelizationKind {
    /// `healpix` or `h3`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healpix => "healpix",
            Self::H3 => "h3",
        }
    }

    /// The pixelization of this kind.
    #[must_use]
    pub fn pixelization(self) -> &'static dyn Pixelization {
        match self {
            Self::Healpix => &Healpix,
            Self::H3 => &H3,
        }
    }
}

impl fmt::Display for PixelizationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PixelizationKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Healpix, Self::H3]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| Error::invalid(format!("unknown pixelization \"{name}\": write \"healpix\" or \"h3\"")))
    }
}
