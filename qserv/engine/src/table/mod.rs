//! Declared tables as DataFusion sees them.
//!
//! A [`CatalogTable`] is a table at one snapshot; names are resolved to it. Planning replaces each place where a query
//! reads it by a [`Site`], which knows the segments to read there and where. Without a plan of its own a site reads the
//! whole table, so a plan is right before it is restricted and after.

mod scan;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use qserv_core::catalog::{
    Database, DatabaseId, DatabaseSnapshot, Segment, SegmentRole, Table, TableId, TableKind, TableSnapshot,
};
use qserv_core::partition::PixelizationKind;

use crate::placement::Placement;

/// The columns of a table that restrict it.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Longitude and latitude of the rows themselves.
    pub position: Option<&'a [String; 2]>,
    /// The column that holds the director's key.
    pub key: Option<&'a str>,
}

/// The director whose keys a table's chunks follow: database and director table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Family {
    /// The database.
    pub database: Arc<str>,
    /// The director table.
    pub director: Arc<str>,
}

/// A table at one snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CatalogTable {
    database_name: Arc<str>,
    database: Arc<DatabaseSnapshot>,
    table: Arc<TableSnapshot>,
    declared_schema: SchemaRef,
    segment_schema: SchemaRef,
    /// How a temporary table is cut, if it is not whole on workers.
    cut: Option<Arc<Cut>>,
}

/// The chunks of a temporary table.
#[derive(Debug)]
struct Cut {
    /// The database whose chunks they are.
    database: Arc<str>,
    /// The columns by which rows are in their chunks.
    position: [String; 2],
}

impl CatalogTable {
    /// The table of a database.
    #[must_use]
    pub fn new(database: Arc<DatabaseSnapshot>, table: Arc<TableSnapshot>) -> Self {
        Self {
            database_name: Arc::from(database.database.name.as_str()),
            declared_schema: table.table.schema(),
            segment_schema: table.table.segment_schema(),
            database,
            table,
            cut: None,
        }
    }

    /// A table of one query, whole on workers. Its columns are those of `schema`, also where no declaration could name their types.
    #[must_use]
    pub fn temporary(database: &str, name: &str, schema: SchemaRef, segments: Vec<Arc<Segment>>) -> Self {
        let database = Arc::new(DatabaseSnapshot {
            database: Arc::new(Database {
                id: DatabaseId(0),
                name: database.to_owned(),
                description: None,
                pixelization: PixelizationKind::Healpix,
                chunk_order: None,
                overlap_arcsec: 0.0,
                tables: Vec::new(),
                foreign_keys: Vec::new(),
                examples: Vec::new(),
            }),
            tables: Vec::new(),
        });
        let table = Table {
            id: TableId(0),
            name: name.to_owned(),
            kind: TableKind::Replicated,
            description: None,
            utype: None,
            table_index: None,
            primary_key: Vec::new(),
            columns: Vec::new(),
        };
        let table = Arc::new(TableSnapshot { table: Arc::new(table), segments, key_is_chunk_local: false });
        Self { declared_schema: Arc::clone(&schema), segment_schema: schema, ..Self::new(database, table) }
    }

    /// A temporary table whose segments are those of chunks of a database: each row with a position in these columns is in the chunk of
    /// that position, and any other row in any chunk.
    #[must_use]
    pub fn in_chunks_of(self, database: &str, position: [String; 2]) -> Self {
        Self { cut: Some(Arc::new(Cut { database: Arc::from(database), position })), ..self }
    }

    /// The columns by which a temporary table was cut; `None` for all others.
    #[must_use]
    pub fn cut_position(&self) -> Option<&[String; 2]> {
        self.cut.as_ref().map(|cut| &cut.position)
    }

    /// The database whose chunks its segments are in.
    #[must_use]
    pub fn chunks_of(&self) -> &Arc<str> {
        self.cut.as_ref().map_or(&self.database_name, |cut| &cut.database)
    }

    /// Its database's name.
    #[must_use]
    pub fn database_name(&self) -> &Arc<str> {
        &self.database_name
    }

    /// Its database.
    #[must_use]
    pub fn database(&self) -> &Arc<DatabaseSnapshot> {
        &self.database
    }

    /// The table and its segments.
    #[must_use]
    pub fn table(&self) -> &Arc<TableSnapshot> {
        &self.table
    }

    /// The column that holds a director's key, and that director, for segments of this role.
    #[must_use]
    pub fn key(&self, role: SegmentRole) -> Option<(&str, Family)> {
        let (column, director) = match &self.table.table.kind {
            TableKind::Director { key, .. } => (key.as_str(), self.table.table.name.as_str()),
            TableKind::Child { director, director_key, .. } => (director_key.as_str(), director.as_str()),
            TableKind::Match { left, right } => {
                let side = if role == SegmentRole::RowsByRight { right } else { left };
                (side.column.as_str(), side.director.as_str())
            }
            TableKind::Replicated => return None,
        };
        // Directors are named in the layout's letter case; the family takes the declared one.
        let declared = self.database.database.table(director).map_or(director, |table| table.name.as_str());
        let column = self.table.table.column(column).map_or(column, |column| column.name.as_str());
        Some((column, Family { database: self.database_name.clone(), director: Arc::from(declared) }))
    }

    /// The columns that restrict this table.
    #[must_use]
    pub fn restricting_columns(&self, role: SegmentRole) -> Columns<'_> {
        Columns { position: self.table.table.kind.position(), key: self.key(role).map(|(column, _)| column) }
    }
}

#[async_trait]
impl TableProvider for CatalogTable {
    fn schema(&self) -> SchemaRef {
        self.declared_schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Pruning only: the filter itself stays in the plan.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        scan::scan(self, &SitePlan::whole(self), state, projection, limit)
    }
}

/// What is read at one site, and where.
#[derive(Debug, Clone)]
pub struct SitePlan {
    /// The segments to read: all of one role, but for the overlap of a halo.
    pub segments: Vec<Arc<Segment>>,
    /// Their role.
    pub role: SegmentRole,
    /// Ranges of the sort column outside of which no row is wanted; `None` for all.
    pub healpix_29_ranges: Option<Vec<Range<u64>>>,
    /// The assignment that all sites of the query share.
    pub placement: Arc<Placement>,
    /// Whether the scan may say that it is partitioned by its key.
    pub key_partitioned: bool,
    /// Whether rows whose key is NULL must be in one partition.
    pub nulls_together: bool,
    /// Whether overlap is read beside the chunks: then only a join of near neighbours may see the rows.
    pub is_halo: bool,
    /// Whether another scan's groups are paired with this one's, so that each must hold the chunks that it is planned to hold.
    pub is_paired: bool,
}

impl SitePlan {
    /// Everything, in one partition.
    fn whole(table: &CatalogTable) -> Self {
        Self {
            segments: table.table.segments_of(SegmentRole::Rows).cloned().collect(),
            role: SegmentRole::Rows,
            healpix_29_ranges: None,
            placement: Arc::new(Placement::default()),
            key_partitioned: false,
            nulls_together: false,
            is_halo: false,
            is_paired: false,
        }
    }
}

/// One place in a query that reads a table.
#[derive(Debug)]
pub struct Site {
    /// Its number in the query.
    pub index: usize,
    /// The name by which the query calls the table.
    pub name: String,
    /// The table.
    pub table: CatalogTable,
    plan: OnceLock<SitePlan>,
}

impl Site {
    /// A site that reads the whole table until it is planned.
    #[must_use]
    pub fn new(index: usize, name: String, table: CatalogTable) -> Self {
        Self { index, name, table, plan: OnceLock::new() }
    }

    /// Sets what is read; the first plan stays.
    pub fn set_plan(&self, plan: SitePlan) {
        let _ = self.plan.set(plan);
    }

    /// The scan of the rows for which all conditions hold, handing out these declared columns; `None` if a scan cannot test one of
    /// the conditions, or if the site has no plan. Conditions are expressions of the declared columns.
    ///
    /// # Errors
    /// Those of DataFusion's plans.
    pub fn scan_where(
        &self,
        state: &dyn Session,
        columns: &[usize],
        conditions: Vec<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Option<FileScanConfig>> {
        let Some(plan) = self.plan.get() else { return Ok(None) };
        scan::scan_where(&self.table, plan, state, columns, conditions, limit)
    }

    /// What is read, once planned.
    #[must_use]
    pub fn plan(&self) -> Option<&SitePlan> {
        self.plan.get()
    }
}

#[async_trait]
impl TableProvider for Site {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match self.plan.get() {
            Some(plan) => scan::scan(&self.table, plan, state, projection, limit),
            None => scan::scan(&self.table, &SitePlan::whole(&self.table), state, projection, limit),
        }
    }
}

pub use scan::{FileSlot, family_of, is_halo, reads_chunks};
