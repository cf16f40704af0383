//! Whether all rows of a key still share one chunk.
//!
//! Plans that join a director with its children, or group by its key, exchange no rows between chunks as long as every key lives in
//! one chunk across the whole family. A load that breaks this says so when it commits, for the tables concerned and for good. Rows
//! without a key do not count: they are in segments of their own, which a plan that groups by key reads in one place.

use std::collections::BTreeSet;

use qserv_core::catalog::{DatabaseSnapshot, TableId, TableKind, TableSnapshot};

/// What a load learns about the locality of keys.
#[derive(Debug, Default)]
pub(crate) struct Locality {
    cleared: BTreeSet<TableId>,
}

impl Locality {
    /// Whether a table had its locality when the load began and has not lost it since.
    pub(crate) fn holds(&self, snapshot: &DatabaseSnapshot, table: TableId) -> bool {
        let local = snapshot.tables.iter().find(|other| other.table.id == table);
        !self.cleared.contains(&table) && local.is_some_and(|table| table.key_is_chunk_local)
    }

    /// A key of this director lives in several chunks: no table of its family can be trusted.
    pub(crate) fn clear_family(&mut self, snapshot: &DatabaseSnapshot, director: TableId) {
        for table in &snapshot.tables {
            if families(snapshot, table).any(|family| family == director) {
                self.cleared.insert(table.table.id);
            }
        }
    }

    /// The tables that lose their locality with this load.
    pub(crate) fn settle(self) -> BTreeSet<TableId> {
        self.cleared
    }
}

/// The directors whose keys a table has.
fn families(snapshot: &DatabaseSnapshot, table: &TableSnapshot) -> impl Iterator<Item = TableId> {
    let named = |name: &str| snapshot.database.table(name).map(|table| table.id);
    let families = match &table.table.kind {
        TableKind::Director { .. } => [Some(table.table.id), None],
        TableKind::Child { director, .. } => [named(director), None],
        TableKind::Match { left, right } => [named(&left.director), named(&right.director)],
        TableKind::Replicated => [None, None],
    };
    families.into_iter().flatten()
}
