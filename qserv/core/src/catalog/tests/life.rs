//! What each call promises, on a catalog of each kind.

use std::sync::Arc;

use super::*;
use crate::error::ErrorKind;

on_each_catalog!(declarations_come_back_as_they_were);
async fn declarations_come_back_as_they_were(catalog: Catalog) {
    let before = catalog.version().await.unwrap();
    let created = catalog.create_database(&database("Sky")).await.unwrap();
    assert!(created.id.0 > 0 && created.tables.iter().all(|table| table.id.0 > 0));
    let snapshot = catalog.snapshot().await.unwrap();
    assert!(snapshot.id > before);
    let found = &snapshot.databases["Sky"];
    assert_eq!(*found.database, created);
    let tables: Vec<&Table> = found.tables.iter().map(|table| &*table.table).collect();
    assert_eq!(tables, created.tables.iter().collect::<Vec<_>>());
    assert!(found.tables.iter().all(|table| table.key_is_chunk_local && table.rows() == 0));

    let taken = catalog.create_database(&database("sKY")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
    let mut wrong = database("Other");
    wrong.tables[0].columns.remove(0);
    assert_eq!(catalog.create_database(&wrong).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert!(Arc::ptr_eq(&snapshot, &catalog.snapshot().await.unwrap()), "what failed changed nothing");

    assert!(catalog.drop_database("SKY").await.unwrap().is_empty());
    assert!(catalog.snapshot().await.unwrap().databases.is_empty());
    assert_eq!(catalog.drop_database("Sky").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(catalog.begin("Sky").await.unwrap_err().kind(), ErrorKind::NotFound);
    let again = catalog.create_database(&database("sky")).await.unwrap();
    assert!(again.id > created.id, "numbers are not used again");
}

on_each_catalog!(examples_are_replaced_as_a_whole);
async fn examples_are_replaced_as_a_whole(catalog: Catalog) {
    catalog.create_database(&database("sky")).await.unwrap();
    let before = catalog.snapshot().await.unwrap();
    assert_eq!(before.databases["sky"].database.examples.len(), 2);
    let others = [example("First", None), example("Second", Some("why")), example("Third", None)];
    catalog.replace_examples("SKY", &others).await.unwrap();
    let after = catalog.snapshot().await.unwrap();
    assert!(after.id > before.id);
    assert_eq!(after.databases["sky"].database.examples, others);
    assert_eq!(all_of(&after), all_of(&read_whole(&catalog).await));
    let wrong = catalog.replace_examples("sky", &[example(" ", None)]).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
    assert_eq!(catalog.replace_examples("none", &others).await.unwrap_err().kind(), ErrorKind::NotFound);
    catalog.replace_examples("sky", &[]).await.unwrap();
    assert!(catalog.snapshot().await.unwrap().databases["sky"].database.examples.is_empty());
    catalog.replace_examples("sky", &others).await.unwrap();
    catalog.drop_database("sky").await.unwrap();
}

on_each_catalog!(a_transaction_is_invisible_until_it_commits);
async fn a_transaction_is_invisible_until_it_commits(catalog: Catalog) {
    let sky = catalog.create_database(&database("sky")).await.unwrap();
    catalog.create_database(&database("other")).await.unwrap();
    let before = catalog.snapshot().await.unwrap();
    let [first, second] = [catalog.begin("SKY").await.unwrap(), catalog.begin("sky").await.unwrap()];
    let mut unknown = segment(&sky.tables[4], "filter", 0, 5);
    unknown.chunk = None;
    unknown.bounds = SegmentBounds { cap: None, lon_deg: Some([f64::NAN, 1.0]), ..unknown.bounds };
    let segments = [segment(&sky.tables[0], "b", 9, 10), segment(&sky.tables[0], "a", 3, 20), unknown];
    catalog.add_segments(first.id, &segments).await.unwrap();
    catalog.add_contribution(first.id, sky.tables[0].id, "a.csv", 30, 1, 2).await.unwrap();
    catalog.clear_key_locality(first.id, sky.tables[0].id).await.unwrap();
    catalog.clear_key_locality(first.id, sky.tables[0].id).await.unwrap();
    assert!(Arc::ptr_eq(&before, &catalog.snapshot().await.unwrap()));

    let made = catalog.commit(first.id).await.unwrap();
    let after = catalog.snapshot().await.unwrap();
    assert_eq!(after.id, made);
    assert!(Arc::ptr_eq(&before.databases["other"], &after.databases["other"]), "unchanged databases are shared");
    let object = &after.databases["sky"].tables[0];
    assert_eq!((object.rows(), object.key_is_chunk_local), (30, false));
    let [a, b] = object.segments.as_slice() else { panic!("two segments") };
    assert_eq!((a.path.as_str(), b.path.as_str()), ("a", "b"), "sorted by chunk");
    assert_eq!((a.bounds, &a.replicas), (segments[1].bounds, &segments[1].replicas));
    assert_eq!((a.rows, a.bytes, a.chunk), (20, 2000, Some(ChunkId(3))));
    let filter = &after.databases["sky"].tables[4];
    assert_eq!((filter.segments[0].chunk, filter.segments[0].bounds.lon_deg), (None, None));
    assert!(filter.key_is_chunk_local);
    assert_eq!(all_of(&after), all_of(&read_whole(&catalog).await));
    let [contribution] = catalog.contributions(first.id).await.unwrap().try_into().unwrap();
    assert_eq!((contribution.rows, contribution.bad_rows, contribution.orphans), (30, 1, 2));

    // A committed transaction takes nothing more; to commit again is no change.
    let refused = catalog.add_segments(first.id, &segments).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_eq!(catalog.abort(first.id).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(catalog.commit(first.id).await.unwrap(), made);
    assert_eq!(catalog.version().await.unwrap(), made);
    // A path stands for one segment.
    let taken = catalog.add_segments(second.id, &segments[..1]).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
    let other = &after.databases["other"].tables[0].table;
    let foreign = catalog.add_segments(second.id, &[segment(other, "c", 1, 1)]).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Invalid, "{foreign}");
    let states: Vec<_> = catalog.transactions("sky").await.unwrap().into_iter().map(|found| found.state).collect();
    assert_eq!(states, [TransactionState::Committed, TransactionState::Open]);
    assert_eq!(catalog.transaction(second.id).await.unwrap(), second);
    let absent = TransactionId(99);
    assert_eq!(catalog.commit(absent).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(catalog.transaction(absent).await.unwrap_err().kind(), ErrorKind::NotFound);
}

on_each_catalog!(an_aborted_transaction_leaves_garbage_only);
async fn an_aborted_transaction_leaves_garbage_only(catalog: Catalog) {
    let sky = catalog.create_database(&database("sky")).await.unwrap();
    let before = catalog.snapshot().await.unwrap();
    let begun = catalog.begin("sky").await.unwrap();
    let segments = [segment(&sky.tables[0], "a", 1, 10), segment(&sky.tables[1], "b", 2, 20)];
    catalog.add_segments(begun.id, &segments).await.unwrap();
    let mut to_delete = catalog.abort(begun.id).await.unwrap();
    to_delete.sort_by(|left, right| left.path.cmp(&right.path));
    assert_eq!(to_delete, segments);
    assert!(catalog.abort(begun.id).await.unwrap().is_empty());
    assert_eq!(catalog.commit(begun.id).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(Arc::ptr_eq(&before, &catalog.snapshot().await.unwrap()));

    let garbage = catalog.garbage(100).await.unwrap();
    let copies: Vec<_> = garbage.iter().map(|copy| (copy.worker.0.as_str(), copy.path.as_str())).collect();
    assert_eq!(copies, [("w1", "a"), ("w1", "b"), ("w2", "a"), ("w2", "b")]);
    catalog.forget_garbage(&[(WorkerId("w1".into()), "a".into()), (WorkerId("w2".into()), "b".into())]).await.unwrap();
    assert_eq!(catalog.garbage(1).await.unwrap().len(), 1);
    // A path that is used again is garbage no more.
    let begun = catalog.begin("sky").await.unwrap();
    catalog.add_segments(begun.id, &segments[..1]).await.unwrap();
    let copies: Vec<_> = catalog.garbage(9).await.unwrap().into_iter().map(|copy| (copy.worker.0, copy.path)).collect();
    assert_eq!(copies, [("w1".to_owned(), "b".to_owned())]);
    // Dropping a database makes garbage of all it has, open transactions included.
    let dropped = catalog.drop_database("sky").await.unwrap();
    assert_eq!(dropped.iter().map(|segment| segment.path.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(dropped[0].replicas, segments[0].replicas);
    assert_eq!(catalog.garbage(9).await.unwrap().len(), 3);
    assert_eq!(catalog.add_segments(begun.id, &segments).await.unwrap_err().kind(), ErrorKind::NotFound);
}

on_each_catalog!(the_first_load_chooses_the_chunk_order);
async fn the_first_load_chooses_the_chunk_order(catalog: Catalog) {
    let order = async |name: &str| catalog.snapshot().await.unwrap().databases[name].database.chunk_order;
    catalog.create_database(&database("sky")).await.unwrap();
    let [first, second] = [catalog.begin("sky").await.unwrap(), catalog.begin("sky").await.unwrap()];
    assert_eq!(catalog.set_chunk_order(first.id, 200).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(catalog.set_chunk_order(first.id, 3).await.unwrap(), 3);
    assert_eq!(order("sky").await, Some(3));
    assert_eq!(catalog.set_chunk_order(second.id, 4).await.unwrap(), 3, "the first one wins");
    catalog.abort(first.id).await.unwrap();
    assert_eq!(order("sky").await, Some(3), "the second loads by it");
    catalog.abort(second.id).await.unwrap();
    assert_eq!(order("sky").await, None);
    let third = catalog.begin("sky").await.unwrap();
    assert_eq!(catalog.set_chunk_order(third.id, 2).await.unwrap(), 2);
    catalog.commit(third.id).await.unwrap();
    let fourth = catalog.begin("sky").await.unwrap();
    catalog.abort(fourth.id).await.unwrap();
    assert_eq!(order("sky").await, Some(2));
    assert_eq!(catalog.set_chunk_order(third.id, 2).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(all_of(&catalog.snapshot().await.unwrap()), all_of(&read_whole(&catalog).await));

    let declared = Database { chunk_order: Some(4), ..database("declared") };
    catalog.create_database(&declared).await.unwrap();
    let begun = catalog.begin("declared").await.unwrap();
    assert_eq!(catalog.set_chunk_order(begun.id, 2).await.unwrap(), 4);
    catalog.abort(begun.id).await.unwrap();
    assert_eq!(order("declared").await, Some(4));
}

on_each_catalog!(many_segments_and_columns_are_one_call);
async fn many_segments_and_columns_are_one_call(catalog: Catalog) {
    let mut wide = database("wide");
    let columns = (0..3_000).map(|number| column(&format!("c{number}"), ColumnType::Float));
    wide.tables.push(table("Wide", TableKind::Replicated, columns.collect()));
    let wide = catalog.create_database(&wide).await.unwrap();
    let begun = catalog.begin("wide").await.unwrap();
    let segments: Vec<_> =
        (0..5_000).map(|number| segment(&wide.tables[0], &format!("s{number}"), number, 1)).collect();
    catalog.add_segments(begun.id, &segments).await.unwrap();
    catalog.add_segments(begun.id, &[]).await.unwrap();
    catalog.commit(begun.id).await.unwrap();
    let snapshot = catalog.snapshot().await.unwrap();
    assert_eq!(*snapshot.databases["wide"].database, wide);
    assert_eq!(snapshot.databases["wide"].tables[0].rows(), 5_000);
    assert!(snapshot.databases["wide"].tables[0].segments.iter().all(|segment| segment.replicas.len() == 2));
}

on_each_catalog!(replicas_come_and_go);
async fn replicas_come_and_go(catalog: Catalog) {
    let sky = catalog.create_database(&database("sky")).await.unwrap();
    let begun = catalog.begin("sky").await.unwrap();
    catalog.add_segments(begun.id, &[segment(&sky.tables[0], "a", 1, 1)]).await.unwrap();
    catalog.commit(begun.id).await.unwrap();
    let segment = catalog.snapshot().await.unwrap().databases["sky"].tables[0].segments[0].clone();
    let [w1, w2, w3] = ["w1", "w2", "w3"].map(|name| WorkerId(name.into()));
    catalog.add_replicas(&[(segment.id, w3.clone()), (segment.id, w2.clone())]).await.unwrap();
    catalog.remove_replicas(&[(segment.id, w1)]).await.unwrap();
    let after = catalog.snapshot().await.unwrap();
    assert_eq!(after.databases["sky"].tables[0].segments[0].replicas, [w2.clone(), w3]);
    let absent = catalog.add_replicas(&[(SegmentId(99), w2)]).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
}

on_each_catalog!(workers_are_known_by_their_last_heartbeat);
async fn workers_are_known_by_their_last_heartbeat(catalog: Catalog) {
    let worker = |id: &str, url: &str, seen_unix_ms| Worker { id: WorkerId(id.into()), url: url.into(), seen_unix_ms };
    catalog.register_worker(&worker("w2", "http://b/", 10)).await.unwrap();
    catalog.heartbeat(&WorkerId("w1".into()), "http://a/", 20).await.unwrap();
    catalog.heartbeat(&WorkerId("w2".into()), "http://c/", 30).await.unwrap();
    catalog.heartbeat(&WorkerId("w2".into()), "http://late/", 25).await.unwrap();
    assert_eq!(catalog.workers().await.unwrap(), [worker("w1", "http://a/", 20), worker("w2", "http://c/", 30)]);
    assert_eq!(catalog.register_worker(&worker(" ", "http://a/", 1)).await.unwrap_err().kind(), ErrorKind::Invalid);
}

on_each_catalog!(silent_transactions_are_found);
async fn silent_transactions_are_found(catalog: Catalog) {
    catalog.create_database(&database("sky")).await.unwrap();
    let [open, done] = [catalog.begin("sky").await.unwrap(), catalog.begin("sky").await.unwrap()];
    catalog.commit(done.id).await.unwrap();
    catalog.touch(open.id).await.unwrap();
    assert_eq!(catalog.touch(done.id).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(catalog.abandoned(open.began_unix_ms).await.unwrap().is_empty());
    assert_eq!(catalog.abandoned(i64::MAX).await.unwrap(), [open]);
}

#[tokio::test]
async fn refuses_addresses_with_a_remedy() {
    for (url, said) in [
        ("mysql://h/d", "write sqlite:PATH?mode=rwc or postgres://"),
        ("", "write sqlite:PATH?mode=rwc or postgres://"),
        ("sqlite:/no/such/folder/catalog?mode=rwc", "check that its folder is there"),
        ("postgres://127.0.0.1:1/none", "does not answer"),
    ] {
        let settings = Settings { wait_ms: 200, ..Settings::default() };
        let error = Catalog::open_with(url, &settings, Arc::new(SystemClock)).await.unwrap_err();
        assert!(error.to_string().contains(said), "{url}: {error}");
    }
}

on_each_catalog!(files_of_queries_are_garbage_when_their_time_is_over);
async fn files_of_queries_are_garbage_when_their_time_is_over(catalog: Catalog) {
    let before = catalog.snapshot().await.unwrap();
    let copy = |worker: &str, path: &str| (WorkerId(worker.into()), path.to_owned());
    let [first, second] = [crate::store::paths::temporary("a-0"), "tapXupload/a-0.parquet".to_owned()];
    catalog.note_temporary(&[copy("w1", &first), copy("w2", &first)], 5_000).await.unwrap();
    catalog.note_temporary(&[copy("w1", &second)], 5_000).await.unwrap();
    let since = async || -> Vec<(String, i64)> {
        let garbage = catalog.garbage(9).await.unwrap();
        garbage.into_iter().map(|copy| (copy.path, copy.since_unix_ms)).collect()
    };
    assert_eq!(since().await, [(second.clone(), 5_000), (first.clone(), 5_000), (first.clone(), 5_000)]);
    catalog.forget_garbage(&[copy("w2", &first)]).await.unwrap();
    catalog.expire_temporary().await.unwrap();
    assert_eq!(since().await, [(first, 0), (second, 5_000)], "of no other folder");
    assert!(Arc::ptr_eq(&before, &catalog.snapshot().await.unwrap()), "no query sees any of it");
}
