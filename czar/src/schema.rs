//! Snapshots as DataFusion catalogs: each database is a schema, TAP_SCHEMA among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::datasource::MemTable;
use qserv_core::Result;
use qserv_core::catalog::{DatabaseSnapshot, Snapshot, TableSnapshot, tap_schema};
use qserv_engine::error::from_datafusion;
use qserv_engine::table::CatalogTable;

/// The one DataFusion catalog; users never see its name.
pub(crate) const CATALOG: &str = "qserv";

/// The schema in which a session looks up unqualified names; it has no tables.
pub(crate) const NO_SCHEMA: &str = "none";

/// The databases of a snapshot as a list of one DataFusion catalog.
pub(crate) fn catalogs(snapshot: &Snapshot) -> Result<Arc<dyn CatalogProviderList>> {
    let mut schemas: BTreeMap<String, Arc<dyn SchemaProvider>> = BTreeMap::new();
    for (name, database) in &snapshot.databases {
        schemas.insert(name.clone(), Arc::new(Database::new(database)));
    }
    let (name, described) = described(snapshot)?;
    schemas.insert(name, described);
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(Databases { schemas }));
    Ok(Arc::new(list))
}

/// The snapshot with TAP_SCHEMA among its databases: it describes itself.
pub(crate) fn with_tap_schema(snapshot: &Snapshot) -> Snapshot {
    let database = Arc::new(tap_schema::database());
    let tables = database.tables.iter().map(|table| {
        let table = Arc::new(table.clone());
        Arc::new(TableSnapshot { table, segments: Vec::new(), key_is_chunk_local: false })
    });
    let described = DatabaseSnapshot { tables: tables.collect(), database: Arc::clone(&database) };
    let mut snapshot = snapshot.clone();
    snapshot.databases.insert(tap_schema::TAP_SCHEMA.to_owned(), Arc::new(described));
    snapshot
}

/// TAP_SCHEMA of a snapshot, as tables in memory.
fn described(snapshot: &Snapshot) -> Result<(String, Arc<dyn SchemaProvider>)> {
    let mut tables: BTreeMap<String, Arc<dyn TableProvider>> = BTreeMap::new();
    for (table, batch) in tap_schema::tap_schema(snapshot)? {
        let memory = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(from_datafusion)?;
        tables.insert(table.name.clone(), Arc::new(memory));
    }
    Ok((tap_schema::TAP_SCHEMA.to_owned(), Arc::new(Database { tables })))
}

/// A list of one DataFusion catalog that has one more schema than another.
pub(crate) fn with_schema(
    catalogs: &dyn CatalogProviderList,
    name: &str,
    schema: &Arc<dyn SchemaProvider>,
) -> Arc<dyn CatalogProviderList> {
    let more = OneMore { others: catalogs.catalog(CATALOG), name: name.to_owned(), schema: Arc::clone(schema) };
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(more));
    Arc::new(list)
}

#[derive(Debug)]
struct OneMore {
    others: Option<Arc<dyn CatalogProvider>>,
    name: String,
    schema: Arc<dyn SchemaProvider>,
}

impl CatalogProvider for OneMore {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.others.as_ref().map(|others| others.schema_names()).unwrap_or_default();
        names.push(self.name.clone());
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == self.name { Some(Arc::clone(&self.schema)) } else { self.others.as_ref()?.schema(name) }
    }
}

#[derive(Debug)]
struct Databases {
    schemas: BTreeMap<String, Arc<dyn SchemaProvider>>,
}

impl CatalogProvider for Databases {
    fn schema_names(&self) -> Vec<String> {
        self.schemas.keys().cloned().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.schemas.get(name).cloned()
    }
}

#[derive(Debug)]
pub(crate) struct Database {
    tables: BTreeMap<String, Arc<dyn TableProvider>>,
}

impl Database {
    pub(crate) fn of(tables: BTreeMap<String, Arc<dyn TableProvider>>) -> Self {
        Self { tables }
    }

    fn new(database: &Arc<DatabaseSnapshot>) -> Self {
        let table = |table: &Arc<_>| Arc::new(CatalogTable::new(Arc::clone(database), Arc::clone(table))) as _;
        Self { tables: database.tables.iter().map(|one| (one.table.name.clone(), table(one))).collect() }
    }
}

#[async_trait]
impl SchemaProvider for Database {
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> datafusion::common::Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.tables.get(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }
}
