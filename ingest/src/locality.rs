//! Whether all rows of a key still share one chunk.
//!
//! Plans that join a director with its children, or group by its key, exchange no rows between chunks as long as every key, NULL
//! counted as one, lives in one chunk across the whole family. A load that breaks this says so when it commits, for the tables
//! concerned and for good.

use std::collections::{BTreeMap, BTreeSet};

use qserv_core::catalog::{DatabaseSnapshot, SegmentRole, TableId, TableKind, TableSnapshot};
use qserv_core::partition::ChunkId;

/// What a load learns about the locality of keys.
#[derive(Debug, Default)]
pub(crate) struct Locality {
    cleared: BTreeSet<TableId>,
    /// For each table and the director whose key it is about: the chunks into which this load puts rows with a NULL key.
    null_chunks: BTreeMap<(TableId, TableId), BTreeSet<ChunkId>>,
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
            if families(snapshot, table).any(|(family, _)| family == director) {
                self.cleared.insert(table.table.id);
            }
        }
    }

    /// Rows of `table` with a NULL key of `director` went into these chunks.
    pub(crate) fn note_null_chunks(&mut self, table: TableId, director: TableId, chunks: BTreeSet<ChunkId>) {
        self.null_chunks.entry((table, director)).or_default().extend(chunks);
    }

    /// The tables that lose their locality with this load, on top of what is committed now.
    ///
    /// NULL keys in several chunks cost a table its locality, and so do NULL keys in a chunk other than that of the NULL keys of a
    /// table of the same family that keeps its own.
    pub(crate) fn settle(mut self, now: &DatabaseSnapshot) -> BTreeSet<TableId> {
        // Chunks of NULL keys of tables of this load that keep their locality, by director.
        let mut kept: BTreeMap<TableId, BTreeSet<ChunkId>> = BTreeMap::new();
        for ((table, director), mut chunks) in std::mem::take(&mut self.null_chunks) {
            if chunks.is_empty() || self.cleared.contains(&table) {
                continue;
            }
            for other in &now.tables {
                if other.table.id != table && !self.holds(now, other.table.id) {
                    continue;
                }
                for (_, role) in families(now, other).filter(|(family, _)| *family == director) {
                    let nulls = other.segments_of(role).filter(|segment| segment.bounds.null_keys > 0);
                    chunks.extend(nulls.filter_map(|segment| segment.chunk));
                }
            }
            let kept = kept.entry(director).or_default();
            chunks.extend(kept.iter());
            if chunks.len() > 1 {
                self.cleared.insert(table);
            } else {
                kept.extend(chunks);
            }
        }
        self.cleared
    }
}

/// The directors whose keys a table has, each with the role of the segments that are placed by it.
fn families(snapshot: &DatabaseSnapshot, table: &TableSnapshot) -> impl Iterator<Item = (TableId, SegmentRole)> {
    let named = |name: &str| snapshot.database.table(name).map(|table| table.id);
    let families = match &table.table.kind {
        TableKind::Director { .. } => [Some((table.table.id, SegmentRole::Rows)), None],
        TableKind::Child { director, .. } => [named(director).map(|id| (id, SegmentRole::Rows)), None],
        TableKind::Match { left, right } => [
            named(&left.director).map(|id| (id, SegmentRole::Rows)),
            named(&right.director).map(|id| (id, SegmentRole::RowsByRight)),
        ],
        TableKind::Replicated => [None, None],
    };
    families.into_iter().flatten()
}
