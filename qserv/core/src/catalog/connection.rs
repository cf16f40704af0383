//! The connection to the SQL database: opening, migrations, write transactions, errors.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Executor, Row, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use super::Snapshot;
use crate::clock::{SharedClock, SystemClock};
use crate::error::{Error, ErrorKind, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// SQLite's result code for a file that is not there, or whose folder is not.
const SQLITE_CANTOPEN: &str = "14";

/// Attempts to open a catalog that another process is opening for the first time at the same moment.
const OPEN_ATTEMPTS: u32 = 5;

/// How a catalog is connected.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most connections at once. Each SQLite connection is a thread, each PostgreSQL connection a server process.
    pub connections: u32,
    /// How long to wait for another process's write to a SQLite file, and for a free connection, in milliseconds.
    pub wait_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connections: 8, wait_ms: 30_000 }
    }
}

/// The SQL database behind a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// The catalog. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Catalog {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) pool: AnyPool,
    pub(super) dialect: Dialect,
    pub(super) clock: SharedClock,
    /// SQLite has one writer: those of this process queue here, in turn, instead of polling the file's lock.
    writer: Mutex<()>,
    /// The newest snapshot that was loaded. Held while loading, so that one load serves all who wait.
    pub(super) newest: Mutex<Option<Arc<Snapshot>>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the URL: it may hold a password.
        f.debug_struct("Catalog").field("dialect", &self.inner.dialect).finish_non_exhaustive()
    }
}

impl Catalog {
    /// Opens a catalog and brings its tables up to date. `sqlite:PATH?mode=rwc` (see [`Catalog::sqlite_url`]),
    /// `sqlite::memory:` or `postgres://...`.
    ///
    /// # Errors
    /// `Invalid` for a URL that is none of these, `Unavailable` if the database cannot be reached, `Conflict` if a newer
    /// version of the program made it.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, &Settings::default(), Arc::new(SystemClock)).await
    }

    /// [`Catalog::open`] with settings and a clock.
    ///
    /// # Errors
    /// See [`Catalog::open`].
    pub async fn open_with(url: &str, settings: &Settings, clock: SharedClock) -> Result<Self> {
        let dialect = match url.split(':').next() {
            Some("sqlite") => Dialect::Sqlite,
            Some("postgres" | "postgresql") => Dialect::Postgres,
            _ => {
                return Err(Error::invalid(
                    "the catalog's address is not understood; write sqlite:PATH?mode=rwc or postgres://USER@HOST/DATABASE",
                ));
            }
        };
        install_default_drivers();
        let mut attempt = 1;
        let pool = loop {
            match connect(url, dialect, settings).await {
                Ok(pool) => break pool,
                // Two processes that open a new SQLite file at once both find it empty: the slower one finds the tables
                // made, or the file locked, and has only to look again.
                Err(error) if attempt < OPEN_ATTEMPTS && error.kind() == ErrorKind::Unavailable => {
                    tracing::debug!(error = %error.to_log(), attempt, "opening the catalog again");
                    tokio::time::sleep(Duration::from_millis(50 * u64::from(attempt))).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let inner = Inner { pool, dialect, clock, writer: Mutex::new(()), newest: Mutex::new(None) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The URL of a SQLite catalog in a file, made if it is not there.
    #[must_use]
    pub fn sqlite_url(path: &Path) -> String {
        let mut url = "sqlite:".to_owned();
        for byte in path.to_string_lossy().bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                    url.push(char::from(byte))
                }
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
        url + "?mode=rwc"
    }

    /// Closes every connection, after what they are doing. Calls on any clone fail from now on.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    /// Starts a transaction that will write. Dropping it takes everything back.
    pub(super) async fn write(&self) -> Result<Write<'_>> {
        let (turn, begin) = match self.inner.dialect {
            // Taking the write lock at once avoids the deadlock of two readers that both want to write.
            Dialect::Sqlite => (Some(self.inner.writer.lock().await), "BEGIN IMMEDIATE"),
            Dialect::Postgres => (None, "BEGIN"),
        };
        let sql = self.inner.pool.begin_with(begin).await.map_err(failed("begin a change"))?;
        Ok(Write { sql, _turn: turn })
    }

    /// Starts a transaction that reads one state.
    pub(super) async fn read(&self) -> Result<Transaction<'static, Any>> {
        let begin = match self.inner.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.inner.pool.begin_with(begin).await.map_err(failed("begin to read"))
    }

    pub(super) fn now(&self) -> i64 {
        self.inner.clock.unix_ms()
    }
}

/// A write transaction.
pub(super) struct Write<'c> {
    // First, so that it is rolled back before the next writer has its turn.
    sql: Transaction<'static, Any>,
    _turn: Option<MutexGuard<'c, ()>>,
}

impl Write<'_> {
    pub(super) fn sql(&mut self) -> &mut AnyConnection {
        &mut self.sql
    }

    /// Makes it durable.
    pub(super) async fn commit(self) -> Result<()> {
        self.sql.commit().await.map_err(failed("commit a change"))
    }

    /// Adds `count` to a counter and returns the first of the numbers taken.
    pub(super) async fn take_numbers(&mut self, counter: &str, count: usize) -> Result<i64> {
        let count = i64::try_from(count).map_err(|_| Error::limit("too many things to number at once"))?;
        let row = sqlx::query("UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value")
            .bind(count)
            .bind(counter)
            .fetch_one(self.sql())
            .await
            .map_err(failed("take a number"))?;
        let last: i64 = row.try_get(0).map_err(failed("take a number"))?;
        Ok(last - count + 1)
    }

    /// Takes the lock that orders visible changes; the version stays.
    pub(super) async fn lock_snapshots(&mut self) -> Result<()> {
        self.take_numbers("snapshot", 0).await.map(|_| ())
    }
}

async fn connect(url: &str, dialect: Dialect, settings: &Settings) -> Result<AnyPool> {
    let options: AnyConnectOptions = url.parse().map_err(|error: sqlx::Error| {
        Error::invalid(
            "the catalog's address is not understood; write sqlite:PATH?mode=rwc or postgres://USER@HOST/DATABASE",
        )
        .caused_by(error)
    })?;
    let is_memory = dialect == Dialect::Sqlite && (url.contains(":memory:") || url.contains("mode=memory"));
    let wait_ms = settings.wait_ms;
    let mut pool = AnyPoolOptions::new()
        .max_connections(settings.connections.max(1))
        .acquire_timeout(Duration::from_millis(wait_ms))
        // A file does not go away while a server may.
        .test_before_acquire(dialect == Dialect::Postgres);
    if is_memory {
        // Each connection to memory is a database of its own, and ends with it.
        pool = pool.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
    }
    if dialect == Dialect::Sqlite {
        pool = pool.after_connect(move |connection, _| {
            Box::pin(async move {
                // FULL: a commit in the write-ahead log is on the disk before it returns.
                let pragmas = format!(
                    "PRAGMA busy_timeout = {wait_ms}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                );
                connection.execute(sqlx::raw_sql(AssertSqlSafe(pragmas))).await.map(|_| ())
            })
        });
    }
    let pool = pool.connect_with(options).await.map_err(|error| {
        let is_missing = error.as_database_error().is_some_and(|error| error.code().is_some_and(|code| code == SQLITE_CANTOPEN));
        if !is_missing {
            return failed("be opened")(error);
        }
        Error::invalid(
            "the catalog's file cannot be opened; check that its folder is there and can be written, and that the address ends \
             in ?mode=rwc",
        )
        .caused_by(error)
    })?;
    match MIGRATIONS.run(&pool).await {
        Ok(()) => Ok(pool),
        Err(error) => {
            pool.close().await;
            Err(migration_failed(error))
        }
    }
}

fn migration_failed(error: MigrateError) -> Error {
    let refusal = match &error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::VersionTooNew(..) => {
            Error::conflict(
                "another version of the program made this catalog; use that version, or name another catalog",
            )
        }
        MigrateError::Dirty(_) => Error::data("the catalog's tables are half made; restore it from a copy"),
        _ => Error::unavailable("the catalog's tables could not be made now"),
    };
    refusal.caused_by(error)
}

/// Turns an error of the SQL database into ours: the catalog could not `doing`.
pub(super) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |error| {
        let kind = kind_of(&error);
        let message = match kind {
            ErrorKind::Unavailable => {
                format!("the catalog could not {doing}: it does not answer or is busy; try again")
            }
            ErrorKind::Limit => format!("the catalog could not {doing}: its disk is full"),
            ErrorKind::Data => format!("the catalog could not {doing}: its file is damaged"),
            _ => format!("the catalog could not {doing}"),
        };
        Error::new(kind, message).caused_by(error)
    }
}

/// Whether an error says that a name is taken.
pub(super) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

fn kind_of(error: &sqlx::Error) -> ErrorKind {
    match error {
        sqlx::Error::Configuration(_) => ErrorKind::Invalid,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => ErrorKind::Unavailable,
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            if code.len() == 5 { kind_of_sqlstate(&code) } else { kind_of_sqlite(code.parse().unwrap_or(0)) }
        }
        _ => ErrorKind::Internal,
    }
}

/// PostgreSQL, by the classes of its appendix A.
fn kind_of_sqlstate(code: &str) -> ErrorKind {
    match code.get(..2).unwrap_or_default() {
        _ if code == "53100" => ErrorKind::Limit,
        // Connections, deadlocks and lost races, resources, an operator's hand.
        "08" | "40" | "53" | "57" => ErrorKind::Unavailable,
        "28" => ErrorKind::Denied,
        "23" => ErrorKind::Conflict,
        "XX" => ErrorKind::Data,
        _ => ErrorKind::Internal,
    }
}

/// SQLite, by the low byte of its result code.
fn kind_of_sqlite(code: i64) -> ErrorKind {
    match code & 0xff {
        // BUSY, LOCKED, IOERR, PROTOCOL.
        5 | 6 | 10 | 15 => ErrorKind::Unavailable,
        // PERM, READONLY, CANTOPEN, AUTH.
        3 | 8 | 14 | 23 => ErrorKind::Denied,
        // FULL.
        13 => ErrorKind::Limit,
        // CORRUPT, NOTADB.
        11 | 26 => ErrorKind::Data,
        // CONSTRAINT.
        19 => ErrorKind::Conflict,
        _ => ErrorKind::Internal,
    }
}
