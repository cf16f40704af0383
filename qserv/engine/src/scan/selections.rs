//! Which rows of a row group meet a filter, remembered: segments never change, and the same cuts are made again and again, by thirty
//! scans at once or by one query after the other.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::is_volatile;

use super::filter::Selection;

/// What a node of a condition takes about in memory.
const NODE_BYTES: usize = 128;

/// What an entry of a cache takes about, beside its contents.
const ENTRY_BYTES: usize = 256;

/// Most filters that are known by sight.
const MAX_KNOWN: usize = 1024;

/// Filters as they came first, one of each. A filter is compared with what is remembered for each row group; two that are made of the
/// same nodes cost nothing to compare, while two that call functions compare all options of their sessions.
#[derive(Debug, Default)]
pub(super) struct KnownConditions(Mutex<HashSet<Condition>>);

/// A filter as it is written, over the columns of a file.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    expression: Arc<dyn PhysicalExpr>,
    hash: u64,
    bytes: usize,
}

/// A filter on a row group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SelectionsKey {
    /// The number that the cache gave to the segment.
    pub(super) segment: u64,
    pub(super) row_group: usize,
    pub(super) condition: Condition,
}

/// The pieces of a row group that have rows which meet a filter, and those rows.
#[derive(Debug)]
pub(super) struct Selections {
    pieces: Vec<(usize, Selection)>,
    bytes: usize,
}

impl Condition {
    /// A filter that can be remembered by what it says; `None` for one that says something else each time.
    pub(super) fn of(expression: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        if is_volatile(expression) {
            return None;
        }
        let mut nodes = 0;
        let _ = expression.apply(|_| {
            nodes += 1;
            Ok(TreeNodeRecursion::Continue)
        });
        let mut hasher = std::hash::DefaultHasher::new();
        expression.hash(&mut hasher);
        Some(Self { expression: Arc::clone(expression), hash: hasher.finish(), bytes: nodes * NODE_BYTES })
    }
}

impl KnownConditions {
    /// The filter as it came first.
    pub(super) fn first_of(&self, condition: Condition) -> Condition {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = known.get(&condition) {
            return first.clone();
        }
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(condition.clone());
        condition
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && (Arc::ptr_eq(&self.expression, &other.expression)
                || self.expression.as_ref() == other.expression.as_ref())
    }
}

impl Eq for Condition {}

impl Hash for Condition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl SelectionsKey {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.condition.bytes
    }

    /// Memory that an entry takes at most: a condition may be shared with other row groups.
    pub(super) fn bytes_with(&self, selections: &Selections) -> usize {
        self.bytes() + selections.bytes
    }
}

impl Selections {
    pub(super) fn new(pieces: Vec<(usize, Selection)>) -> Arc<Self> {
        let bytes = pieces.iter().map(|(_, selection)| selection.bytes()).sum();
        Arc::new(Self { pieces, bytes })
    }

    pub(super) fn pieces(&self) -> &[(usize, Selection)] {
        &self.pieces
    }
}
