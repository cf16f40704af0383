//! Example queries of databases.

use sqlx::AnyConnection;

use super::bulk::{Cells, insert_all};
use super::connection::failed;
use super::databases::lock_database;
use super::{Catalog, DatabaseId, Example};
use crate::error::Result;
use crate::schema::check_examples;

impl Catalog {
    /// Puts these examples in the place of a database's examples; visible at once.
    ///
    /// # Errors
    /// `NotFound` if there is no such database, `Invalid` for examples that break a rule of
    /// [`check_examples`](crate::schema::check_examples).
    pub async fn replace_examples(&self, database: &str, examples: &[Example]) -> Result<()> {
        check_examples(examples)?;
        let mut write = self.write().await?;
        let snapshot = write.take_numbers("snapshot", 1).await?;
        let id = lock_database(write.sql(), database).await?;
        let sql = write.sql();
        let forget = sqlx::query("DELETE FROM examples WHERE database_id = $1").bind(id.0);
        forget.execute(&mut *sql).await.map_err(failed("replace examples"))?;
        insert_examples(sql, id, examples).await?;
        // They are part of the declaration, which is read again only where it was replaced.
        let mark = "UPDATE databases SET changed_snapshot = $2, replaced_snapshot = $2 WHERE id = $1";
        let mark = sqlx::query(mark).bind(id.0).bind(snapshot);
        mark.execute(&mut *sql).await.map_err(failed("replace examples"))?;
        write.commit().await
    }
}

pub(super) async fn insert_examples(sql: &mut AnyConnection, id: DatabaseId, examples: &[Example]) -> Result<()> {
    let numbered: Vec<(i64, &Example)> = (0..).zip(examples).collect();
    let head = "INSERT INTO examples (database_id, position, title, description, query) VALUES";
    insert_all(sql, head, 5, &numbered, |values, (position, example)| {
        values.put(id.0);
        values.put(*position);
        values.put(example.title.clone());
        values.put(example.description.clone());
        values.put(example.query.clone());
    })
    .await?;
    Ok(())
}

pub(super) async fn read_examples(sql: &mut AnyConnection, id: DatabaseId) -> Result<Vec<Example>> {
    let query = "SELECT title, description, query FROM examples WHERE database_id = $1 ORDER BY position";
    let rows = sqlx::query(query).bind(id.0).fetch_all(sql).await.map_err(failed("read examples"))?;
    let read = |row| {
        let mut cells = Cells::of(row);
        Ok(Example { title: cells.get()?, description: cells.get()?, query: cells.get()? })
    };
    rows.iter().map(read).collect()
}
