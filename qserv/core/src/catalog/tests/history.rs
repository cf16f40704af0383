//! Random histories of calls, held against a model that keeps sets of names.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

const DATABASES: [&str; 2] = ["red", "blue"];

/// One call; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Call {
    Create(usize),
    Drop(usize),
    Begin(usize),
    Add { transaction: usize, table: usize, segments: usize },
    ClearLocality { transaction: usize, table: usize },
    SetOrder { transaction: usize, order: u8 },
    Commit(usize),
    Abort(usize),
    Look,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        1 => (0..2_usize).prop_map(Call::Create),
        1 => (0..2_usize).prop_map(Call::Drop),
        4 => (0..2_usize).prop_map(Call::Begin),
        8 => (0..8_usize, 0..5_usize, 0..4_usize)
            .prop_map(|(transaction, table, segments)| Call::Add { transaction, table, segments }),
        1 => (0..8_usize, 0..5_usize).prop_map(|(transaction, table)| Call::ClearLocality { transaction, table }),
        2 => (0..8_usize, 1..5_u8).prop_map(|(transaction, order)| Call::SetOrder { transaction, order }),
        3 => (0..8_usize).prop_map(Call::Commit),
        2 => (0..8_usize).prop_map(Call::Abort),
        2 => Just(Call::Look),
    ]
}

#[derive(Debug)]
struct ModelTransaction {
    id: TransactionId,
    database: DatabaseId,
    state: TransactionState,
    segments: BTreeSet<String>,
    not_local: BTreeSet<TableId>,
}

/// What should be there.
#[derive(Debug, Default)]
struct Model {
    databases: BTreeMap<&'static str, Database>,
    transactions: Vec<ModelTransaction>,
    garbage: BTreeSet<String>,
    next_path: usize,
}

impl Model {
    fn kind_unless_open(&self, at: usize) -> Option<ErrorKind> {
        let transaction = &self.transactions[at];
        if !self.databases.values().any(|database| database.id == transaction.database) {
            return Some(ErrorKind::NotFound);
        }
        (transaction.state != TransactionState::Open).then_some(ErrorKind::Conflict)
    }

    async fn call(&mut self, catalog: &Catalog, call: Call) {
        if !self.transactions.is_empty()
            || matches!(call, Call::Create(_) | Call::Drop(_) | Call::Begin(_) | Call::Look)
        {
            self.apply(catalog, call).await;
        }
    }

    async fn apply(&mut self, catalog: &Catalog, call: Call) {
        let count = self.transactions.len().max(1);
        match call {
            Call::Create(at) => {
                let created = catalog.create_database(&database(DATABASES[at])).await;
                match self.databases.contains_key(DATABASES[at]) {
                    true => assert_eq!(created.unwrap_err().kind(), ErrorKind::Conflict),
                    false => drop(self.databases.insert(DATABASES[at], created.unwrap())),
                }
            }
            Call::Drop(at) => {
                match (catalog.drop_database(DATABASES[at]).await, self.databases.remove(DATABASES[at])) {
                    (Err(error), None) => assert_eq!(error.kind(), ErrorKind::NotFound),
                    (Ok(dropped), Some(database)) => {
                        let dropped: BTreeSet<String> = dropped.into_iter().map(|segment| segment.path).collect();
                        let of_it = self.transactions.iter().filter(|transaction| transaction.database == database.id);
                        let expected: BTreeSet<String> = of_it
                            .filter(|transaction| transaction.state != TransactionState::Aborted)
                            .flat_map(|transaction| transaction.segments.clone())
                            .collect();
                        assert_eq!(dropped, expected);
                        self.garbage.extend(expected);
                    }
                    (result, expected) => panic!("{result:?}, expected {expected:?}"),
                }
            }
            Call::Begin(at) => match (catalog.begin(DATABASES[at]).await, self.databases.get(DATABASES[at])) {
                (Err(error), None) => assert_eq!(error.kind(), ErrorKind::NotFound),
                (Ok(begun), Some(database)) => self.transactions.push(ModelTransaction {
                    id: begun.id,
                    database: database.id,
                    state: TransactionState::Open,
                    segments: BTreeSet::new(),
                    not_local: BTreeSet::new(),
                }),
                (result, expected) => panic!("{result:?}, expected {expected:?}"),
            },
            Call::Add { transaction, table, segments } => {
                let at = transaction % count;
                let refused = self.kind_unless_open(at);
                let first = self.next_path;
                self.next_path += segments;
                let table = self.table(at, table);
                let added: Vec<_> = (first..self.next_path)
                    .map(|path| segment(&table, &path.to_string(), path as u64 % 3, 1))
                    .collect();
                let result = catalog.add_segments(self.transactions[at].id, &added).await;
                assert_eq!(result.err().map(|error| error.kind()), refused);
                if refused.is_none() {
                    self.transactions[at].segments.extend(added.into_iter().map(|segment| segment.path));
                }
            }
            Call::ClearLocality { transaction, table } => {
                let at = transaction % count;
                let refused = self.kind_unless_open(at);
                let table = self.table(at, table).id;
                let result = catalog.clear_key_locality(self.transactions[at].id, table).await;
                assert_eq!(result.err().map(|error| error.kind()), refused);
                if refused.is_none() {
                    self.transactions[at].not_local.insert(table);
                }
            }
            Call::SetOrder { transaction, order } => {
                let at = transaction % count;
                let refused = self.kind_unless_open(at);
                let result = catalog.set_chunk_order(self.transactions[at].id, order).await;
                assert_eq!(result.as_ref().err().map(crate::Error::kind), refused);
                if refused.is_none() {
                    let id = self.transactions[at].database;
                    let database = self.databases.values_mut().find(|database| database.id == id).unwrap();
                    assert_eq!(result.unwrap(), *database.chunk_order.get_or_insert(order));
                }
            }
            Call::Commit(transaction) => {
                let at = transaction % count;
                let refused = self.kind_unless_open(at);
                let result = catalog.commit(self.transactions[at].id).await;
                if self.transactions[at].state == TransactionState::Committed && refused != Some(ErrorKind::NotFound) {
                    assert!(result.is_ok(), "committing again is no change");
                } else {
                    assert_eq!(result.err().map(|error| error.kind()), refused);
                }
                if refused.is_none() {
                    self.transactions[at].state = TransactionState::Committed;
                }
            }
            Call::Abort(transaction) => self.abort(catalog, transaction % count).await,
            Call::Look => self.compare(catalog).await,
        }
    }

    async fn abort(&mut self, catalog: &Catalog, at: usize) {
        let refused = self.kind_unless_open(at);
        let result = catalog.abort(self.transactions[at].id).await;
        if self.transactions[at].state == TransactionState::Aborted && refused == Some(ErrorKind::Conflict) {
            assert_eq!(result.unwrap(), []);
            return;
        }
        assert_eq!(result.as_ref().err().map(crate::Error::kind), refused);
        if refused.is_some() {
            return;
        }
        let paths: BTreeSet<String> = result.unwrap().into_iter().map(|segment| segment.path).collect();
        let transaction = &mut self.transactions[at];
        assert_eq!(paths, transaction.segments);
        transaction.state = TransactionState::Aborted;
        self.garbage.extend(paths);
        let id = transaction.database;
        let is_last =
            !self.transactions.iter().any(|other| other.database == id && other.state != TransactionState::Aborted);
        if is_last {
            self.databases.values_mut().find(|database| database.id == id).unwrap().chunk_order = None;
        }
    }

    /// A table of a transaction's database, which may be dropped.
    fn table(&self, transaction: usize, at: usize) -> Table {
        let id = self.transactions[transaction].database;
        let known = self.databases.values().find(|database| database.id == id);
        known.map_or_else(|| database("gone").tables[at].clone(), |database| database.tables[at].clone())
    }

    async fn compare(&self, catalog: &Catalog) {
        let snapshot = catalog.snapshot().await.unwrap();
        assert_eq!(snapshot.databases.len(), self.databases.len());
        for (name, database) in &self.databases {
            let found = &snapshot.databases[*name];
            assert_eq!(*found.database, *database);
            let committed = || {
                let of_it = self.transactions.iter().filter(|transaction| transaction.database == database.id);
                of_it.filter(|transaction| transaction.state == TransactionState::Committed)
            };
            let expected: BTreeSet<String> = committed().flat_map(|transaction| transaction.segments.clone()).collect();
            assert_eq!(paths(&snapshot, name), expected);
            for table in &found.tables {
                let is_cleared = committed().any(|transaction| transaction.not_local.contains(&table.table.id));
                assert_eq!(table.key_is_chunk_local, !is_cleared);
                let order = |segment: &Segment| (segment.role, segment.chunk, segment.id);
                assert!(table.segments.is_sorted_by_key(|segment| order(segment)));
            }
        }
        let garbage: BTreeSet<String> =
            catalog.garbage(1_000).await.unwrap().into_iter().map(|copy| copy.path).collect();
        assert_eq!(garbage, self.garbage);
        assert_eq!(all_of(&snapshot), all_of(&read_whole(catalog).await));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_history_matches_the_model(calls in prop::collection::vec(call(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let catalog = Catalog::open("sqlite::memory:").await.unwrap();
            let mut model = Model::default();
            for call in calls {
                model.call(&catalog, call).await;
            }
            model.compare(&catalog).await;
        });
    }
}
