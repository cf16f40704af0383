//! Inserting many rows with few statements, and reading columns.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, AnyConnection, Arguments, AssertSqlSafe, Encode, Row, Type};

use super::connection::failed;
use crate::error::{Error, Result};

/// Most placeholders in a statement: SQLite allows 32,766, PostgreSQL 65,535.
const MAX_PLACEHOLDERS: usize = 30_000;

/// One statement that inserts many rows, as it grows.
pub(super) struct Values {
    sql: String,
    is_numbered: bool,
    arguments: AnyArguments,
    is_row_start: bool,
    fault: Option<Error>,
}

impl Values {
    /// The next value of the row.
    pub(super) fn put<'t, T: Encode<'t, Any> + Type<Any>>(&mut self, value: T) {
        if let Err(error) = self.arguments.add(value) {
            self.fault.get_or_insert(Error::internal("the catalog cannot store a value").caused_by(error));
        }
        self.separate();
        if self.is_numbered {
            self.sql.push('$');
            self.sql.push_str(&self.arguments.len().to_string());
        } else {
            self.sql.push('?');
        }
    }

    /// A number that may be unknown. NULL is written out: the driver gives a NULL double another type than a double, which
    /// PostgreSQL would have to be told apart.
    pub(super) fn put_double(&mut self, value: Option<f64>) {
        match value.filter(|value| value.is_finite()) {
            Some(value) => self.put(value),
            None => {
                self.separate();
                self.sql.push_str("NULL");
            }
        }
    }

    /// A count; one above 2^63 is a fault.
    pub(super) fn put_count(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(value),
            Err(error) => {
                self.fault.get_or_insert(Error::limit("a count is too large for the catalog").caused_by(error));
            }
        }
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_row_start) {
            self.sql.push(',');
        }
    }
}

/// Inserts all rows. `head` is `INSERT INTO table (columns) VALUES`, `width` the number of columns, and `put` puts one row's
/// values. The statements are not kept prepared: each has its own number of rows.
pub(super) async fn insert_all<T>(
    sql: &mut AnyConnection,
    head: &'static str,
    width: usize,
    rows: &[T],
    mut put: impl FnMut(&mut Values, &T),
) -> std::result::Result<(), InsertError> {
    // SQLite takes `$7` for a name, and its time to find one grows with the number of names: thirty thousand of them would
    // take minutes, where thirty thousand `?` take milliseconds. PostgreSQL knows `$7` only.
    let is_numbered = sql.backend_name() == "PostgreSQL";
    for rows in rows.chunks((MAX_PLACEHOLDERS / width).max(1)) {
        let (sql_text, arguments) = (head.to_owned(), AnyArguments::default());
        let mut values = Values { sql: sql_text, is_numbered, arguments, is_row_start: true, fault: None };
        for (index, row) in rows.iter().enumerate() {
            values.sql.push_str(if index == 0 { " (" } else { ", (" });
            values.is_row_start = true;
            put(&mut values, row);
            values.sql.push(')');
        }
        if let Some(fault) = values.fault {
            return Err(InsertError::Refused(fault));
        }
        // Safe: the text is `head` and placeholders; every value is bound.
        sqlx::query_with(AssertSqlSafe(values.sql), values.arguments)
            .persistent(false)
            .execute(&mut *sql)
            .await
            .map_err(InsertError::Sql)?;
    }
    Ok(())
}

/// Why rows were not inserted.
#[derive(Debug)]
pub(super) enum InsertError {
    /// A value cannot be stored.
    Refused(Error),
    /// The SQL database says no.
    Sql(sqlx::Error),
}

impl From<InsertError> for Error {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Refused(error) => error,
            InsertError::Sql(error) => failed("store rows")(error),
        }
    }
}

/// Reads the columns of a row in order.
pub(super) struct Cells<'r> {
    row: &'r AnyRow,
    next: usize,
}

impl<'r> Cells<'r> {
    pub(super) fn of(row: &'r AnyRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(super) fn get<T: sqlx::Decode<'r, Any> + Type<Any>>(&mut self) -> Result<T> {
        let value = self.row.try_get(self.next).map_err(failed("read a row"))?;
        self.next += 1;
        Ok(value)
    }

    /// The next column, a count.
    pub(super) fn count(&mut self) -> Result<u64> {
        let value: i64 = self.get()?;
        u64::try_from(value).map_err(|error| damaged("a negative count").caused_by(error))
    }

    /// The next column, 0 or 1.
    pub(super) fn flag(&mut self) -> Result<bool> {
        Ok(self.get::<i64>()? != 0)
    }

    /// The next column, narrowed.
    pub(super) fn narrow<T: TryFrom<i64>>(&mut self) -> Result<Option<T>> {
        let value: Option<i64> = self.get()?;
        value.map(|value| T::try_from(value).map_err(|_| damaged("a number out of bounds"))).transpose()
    }

    /// The next two columns, if both are there.
    pub(super) fn pair<T>(&mut self) -> Result<Option<[T; 2]>>
    where
        T: sqlx::Decode<'r, Any> + Type<Any>,
    {
        let first: Option<T> = self.get()?;
        let second: Option<T> = self.get()?;
        Ok(first.zip(second).map(|(first, second)| [first, second]))
    }
}

/// The catalog holds what it should not.
pub(super) fn damaged(what: &str) -> Error {
    Error::data(format!("the catalog is damaged: it holds {what}"))
}
