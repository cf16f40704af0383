//! What the catalog holds, as plain values.
//!
//! A [`Snapshot`] is one committed state of everything: the databases, their tables and the segments that make up each
//! table. A query takes one snapshot and sees nothing else, whatever is loaded meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::partition::{ChunkId, PixelizationKind, SkyPartition};
use crate::query::field_metadata;

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numbered!(
    /// A database's number in the catalog.
    DatabaseId
);
numbered!(
    /// A table's number in the catalog.
    TableId
);
numbered!(
    /// A segment's number in the catalog.
    SegmentId
);
numbered!(
    /// A transaction's number.
    TransactionId
);
numbered!(
    /// A snapshot's number: grows by one with each commit in the catalog.
    SnapshotId
);

/// A worker's name, unique in the cluster and constant over its restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type of a column as it is declared (Felis `datatype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 8-bit signed integer.
    Byte,
    /// 16-bit signed integer.
    Short,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// IEEE 754 binary32.
    Float,
    /// IEEE 754 binary64.
    Double,
    /// Text of a fixed length.
    Char,
    /// Text up to a length.
    String,
    /// Text up to a length, any Unicode.
    Unicode,
    /// Long text.
    Text,
    /// Bytes.
    Binary,
    /// A moment, UTC, microseconds.
    Timestamp,
}

impl ColumnType {
    /// Every type.
    pub const ALL: [Self; 13] = [
        Self::Boolean,
        Self::Byte,
        Self::Short,
        Self::Int,
        Self::Long,
        Self::Float,
        Self::Double,
        Self::Char,
        Self::String,
        Self::Unicode,
        Self::Text,
        Self::Binary,
        Self::Timestamp,
    ];

    /// The Felis name, for example `double`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Char => "char",
            Self::String => "string",
            Self::Unicode => "unicode",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Timestamp => "timestamp",
        }
    }

    /// The type of a Felis name; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name)
    }

    /// The Arrow type in which values of this column are stored and answered.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Byte => DataType::Int8,
            Self::Short => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Char | Self::String | Self::Unicode | Self::Text => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

/// A declared column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, in the letter case of the declaration.
    pub name: String,
    /// Its type.
    pub datatype: ColumnType,
    /// Declared length of text and binary columns.
    pub length: Option<u32>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Unit in VOUnit syntax.
    pub unit: Option<String>,
    /// UCD1+.
    pub ucd: Option<String>,
    /// Data model role.
    pub utype: Option<String>,
    /// Human text.
    pub description: Option<String>,
    /// DALI extended type.
    pub xtype: Option<String>,
    /// VOTable arraysize where declared.
    pub arraysize: Option<String>,
    /// TAP_SCHEMA `principal`.
    pub principal: bool,
    /// TAP_SCHEMA `std`.
    pub std: bool,
    /// TAP_SCHEMA `column_index`: the declared order in services; columns without one come last in file order.
    pub column_index: Option<i32>,
}

impl Column {
    /// The Arrow field of this column, its VO metadata in the field's metadata.
    #[must_use]
    pub fn field(&self) -> Field {
        let mut metadata = std::collections::HashMap::new();
        let mut put = |key: &str, value: &Option<String>| {
            if let Some(value) = value {
                metadata.insert(key.to_owned(), value.clone());
            }
        };
        put(field_metadata::UNIT, &self.unit);
        put(field_metadata::UCD, &self.ucd);
        put(field_metadata::UTYPE, &self.utype);
        put(field_metadata::DESCRIPTION, &self.description);
        put(field_metadata::XTYPE, &self.xtype);
        put(field_metadata::ARRAYSIZE, &self.arraysize);
        let ascii = matches!(self.datatype, ColumnType::Char | ColumnType::String);
        put(field_metadata::DATATYPE, &ascii.then(|| "char".to_owned()));
        Field::new(&self.name, self.datatype.arrow(), self.nullable).with_metadata(metadata)
    }
}

/// One side of a match table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchSide {
    /// The director table.
    pub director: String,
    /// The match table's column that holds that director's key.
    pub column: String,
}

/// How a table's rows are spread over the sky (the layout's `kind`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TableKind {
    /// Rows have a position and a key.
    Director {
        /// The key column.
        key: String,
        /// Longitude and latitude columns, degrees, ICRS.
        position: [String; 2],
    },
    /// Rows live in the chunk of their director's row.
    Child {
        /// The director table.
        director: String,
        /// The column here that holds the director's key.
        director_key: String,
        /// Longitude and latitude of the row itself.
        position: Option<[String; 2]>,
        /// Longitude and latitude of the director's row, copied here: places a row whose key the key index does not know.
        director_position: Option<[String; 2]>,
    },
    /// Rows pair keys of two directors.
    Match {
        /// The first director.
        left: MatchSide,
        /// The second.
        right: MatchSide,
    },
    /// Whole on every worker.
    Replicated,
}

impl TableKind {
    /// `director`, `child`, `match` or `replicated`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Director { .. } => "director",
            Self::Child { .. } => "child",
            Self::Match { .. } => "match",
            Self::Replicated => "replicated",
        }
    }

    /// The longitude and latitude columns of the rows' own position, if they have one.
    #[must_use]
    pub fn position(&self) -> Option<&[String; 2]> {
        match self {
            Self::Director { position, .. } => Some(position),
            Self::Child { position, .. } => position.as_ref(),
            Self::Match { .. } | Self::Replicated => None,
        }
    }

    /// Whether rows are spread over chunks.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        !matches!(self, Self::Replicated)
    }
}

/// A declared table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its number; 0 before it is in the catalog.
    pub id: TableId,
    /// Its name, in the letter case of the declaration.
    pub name: String,
    /// How its rows are spread.
    pub kind: TableKind,
    /// Human text.
    pub description: Option<String>,
    /// Data model role.
    pub utype: Option<String>,
    /// TAP_SCHEMA `table_index`.
    pub table_index: Option<i32>,
    /// The declared primary key, possibly empty.
    pub primary_key: Vec<String>,
    /// The columns in declared (file) order.
    pub columns: Vec<Column>,
}

impl Table {
    /// The column of this name: the letter case as declared first, any letter case second.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .or_else(|| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// The declared columns as an Arrow schema.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>()))
    }

    /// The Arrow schema of this table's segments: the declared columns and [`HEALPIX_29`] last in partitioned tables.
    #[must_use]
    pub fn segment_schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = self.columns.iter().map(Column::field).collect();
        if self.kind.is_partitioned() {
            fields.push(Field::new(HEALPIX_29, DataType::Int64, true));
        }
        Arc::new(Schema::new(fields))
    }
}

/// The column by which segments are sorted: the order-29 nested HEALPix cell of the row's position (as in HATS); NULL
/// only in rows that have no position of any kind.
pub const HEALPIX_29: &str = "_healpix_29";

/// A database as declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Its number; 0 before it is in the catalog.
    pub id: DatabaseId,
    /// Its name.
    pub name: String,
    /// Human text.
    pub description: Option<String>,
    /// The pixelization of its chunks.
    pub pixelization: PixelizationKind,
    /// The order of its chunks; `None` until the first load chooses it.
    pub chunk_order: Option<u8>,
    /// The overlap radius in arc seconds.
    pub overlap_arcsec: f64,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Declared foreign keys, for TAP_SCHEMA.
    pub foreign_keys: Vec<ForeignKey>,
    /// Queries to start from.
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// A query to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it asks, in a few words.
    pub title: String,
    /// More of it, in a few sentences.
    pub description: Option<String>,
    /// The query, in ADQL.
    pub query: String,
}

impl Database {
    /// The sky partition, once the chunk order is known.
    #[must_use]
    pub fn partition(&self) -> Option<SkyPartition> {
        SkyPartition::new(self.pixelization, self.chunk_order?, self.overlap_arcsec).ok()
    }

    /// The table of this name: the letter case as declared first, any letter case second.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables
            .iter()
            .find(|table| table.name == name)
            .or_else(|| self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)))
    }
}

/// A declared reference from columns of one table to columns of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The table that refers.
    pub from_table: String,
    /// Its columns.
    pub from_columns: Vec<String>,
    /// The table referred to.
    pub target_table: String,
    /// Its columns.
    pub target_columns: Vec<String>,
    /// Human text.
    pub description: Option<String>,
}

/// What a segment's rows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentRole {
    /// The table's rows: each row is in exactly one such segment.
    Rows,
    /// Rows of neighbouring chunks within the overlap radius; never part of a plain scan.
    Overlap,
    /// A match table's rows a second time, by the right director's chunk: a scan reads either these or [`Self::Rows`].
    RowsByRight,
    /// A director's key index: `key`, `chunk`, [`HEALPIX_29`], sorted by key.
    KeyIndex,
}

impl SegmentRole {
    /// The name that the catalog stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Overlap => "overlap",
            Self::RowsByRight => "rows_by_right",
            Self::KeyIndex => "key_index",
        }
    }

    /// The role of a name that [`SegmentRole::as_str`] gave; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Rows, Self::Overlap, Self::RowsByRight, Self::KeyIndex].into_iter().find(|role| role.as_str() == name)
    }
}

/// A spherical cap that holds every position of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CapBounds {
    /// Longitude of the centre, degrees.
    pub lon_deg: f64,
    /// Latitude of the centre, degrees.
    pub lat_deg: f64,
    /// Radius in degrees; every position is at most this far from the centre.
    pub radius_deg: f64,
}

/// What is known of a segment's rows without reading them. A bound that is `None` is not known, and prunes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SegmentBounds {
    /// A cap around all positions of the rows' own position columns that are neither NULL nor NaN.
    pub cap: Option<CapBounds>,
    /// Smallest and largest longitude in degrees as stored (no wrap), of the rows' own position columns.
    pub lon_deg: Option<[f64; 2]>,
    /// Smallest and largest latitude in degrees.
    pub lat_deg: Option<[f64; 2]>,
    /// Smallest and largest non-NULL value of an integer key column: the director's key (director, child), the left
    /// or right key (match, by role), the key (index).
    pub key: Option<[i64; 2]>,
    /// Rows whose key is NULL.
    pub null_keys: u64,
}

/// One immutable Parquet file of one table's rows in one chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its number.
    pub id: SegmentId,
    /// The chunk; `None` for replicated tables and key indexes.
    pub chunk: Option<ChunkId>,
    /// What its rows are for.
    pub role: SegmentRole,
    /// Its path below each store's root, see [`crate::store::paths`].
    pub path: String,
    /// Exact number of rows.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Bounds of its rows.
    pub bounds: SegmentBounds,
    /// The workers that hold a copy.
    pub replicas: Vec<WorkerId>,
}

/// A segment that a transaction adds; visible when the transaction commits.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSegment {
    /// The table.
    pub table: TableId,
    /// See [`Segment::chunk`].
    pub chunk: Option<ChunkId>,
    /// See [`Segment::role`].
    pub role: SegmentRole,
    /// See [`Segment::path`].
    pub path: String,
    /// See [`Segment::rows`].
    pub rows: u64,
    /// See [`Segment::bytes`].
    pub bytes: u64,
    /// See [`Segment::bounds`].
    pub bounds: SegmentBounds,
    /// The workers that hold a complete, synced copy.
    pub replicas: Vec<WorkerId>,
}

/// A table in one snapshot.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    /// The declaration.
    pub table: Arc<Table>,
    /// All segments that the snapshot names, any role, sorted by role, chunk and id.
    pub segments: Vec<Arc<Segment>>,
    /// True while every non-NULL key of the partitioning key column is in one chunk only, the same in all tables of its
    /// director: then joining on it needs no exchange of rows between chunks, nor does grouping by it once the segments of
    /// rows without a key, which hold nothing else, are read in one place.
    pub key_is_chunk_local: bool,
}

impl TableSnapshot {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.segments_of(SegmentRole::Rows).map(|segment| segment.rows).sum()
    }

    /// The segments of one role.
    pub fn segments_of(&self, role: SegmentRole) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.iter().filter(move |segment| segment.role == role)
    }
}

/// A database in one snapshot.
#[derive(Debug, Clone)]
pub struct DatabaseSnapshot {
    /// The declaration.
    pub database: Arc<Database>,
    /// Its tables, in declared order.
    pub tables: Vec<Arc<TableSnapshot>>,
}

/// One committed state of the whole catalog.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its number.
    pub id: SnapshotId,
    /// The databases by name.
    pub databases: BTreeMap<String, Arc<DatabaseSnapshot>>,
}

/// A worker as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its name.
    pub id: WorkerId,
    /// The address at which it serves plans and segments, for example `http://127.0.0.1:7001/`.
    pub url: String,
    /// Last heartbeat, Unix milliseconds.
    pub seen_unix_ms: i64,
}

/// The state of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionState {
    /// Being filled; nothing of it is visible.
    Open,
    /// Visible, for good.
    Committed,
    /// Given up; nothing of it is visible, its files are garbage.
    Aborted,
}

impl TransactionState {
    /// `open`, `committed` or `aborted`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Committed => "committed",
            Self::Aborted => "aborted",
        }
    }

    /// The state of a name that [`TransactionState::as_str`] gave; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Committed, Self::Aborted].into_iter().find(|state| state.as_str() == name)
    }
}

/// A group of loads that become visible together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number.
    pub id: TransactionId,
    /// The database it loads.
    pub database: DatabaseId,
    /// Its state.
    pub state: TransactionState,
    /// When it began, Unix milliseconds.
    pub began_unix_ms: i64,
}
