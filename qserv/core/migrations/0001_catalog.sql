-- The catalog. One text for SQLite and PostgreSQL: BIGINT, DOUBLE PRECISION and TEXT only, booleans are 0 and 1, and
-- numbers come from `counters`, so that no dialect's automatic keys are needed.

-- The last number given out, by what it numbers. 'snapshot' is the catalog's version: every change that queries can see
-- adds one, in the same SQL transaction; its row is also the lock that puts such changes in one order.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES
    ('snapshot', 0), ('database', 0), ('table', 0), ('foreign_key', 0),
    ('transaction', 0), ('contribution', 0), ('segment', 0);

CREATE TABLE databases (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    description TEXT,
    pixelization TEXT NOT NULL,
    chunk_order BIGINT,
    -- 1 if a load chose the order, 0 if it was declared.
    chunk_order_is_chosen BIGINT NOT NULL,
    overlap_arcsec DOUBLE PRECISION NOT NULL,
    -- The last snapshot in which anything of this database changed.
    changed_snapshot BIGINT NOT NULL,
    -- The last snapshot in which something changed that only a whole reading finds, such as replicas of visible segments.
    replaced_snapshot BIGINT NOT NULL
);

CREATE TABLE tables (
    id BIGINT NOT NULL PRIMARY KEY,
    database_id BIGINT NOT NULL REFERENCES databases (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    description TEXT,
    utype TEXT,
    table_index BIGINT,
    -- director, child, match or replicated; the columns below are set as the kind needs them.
    kind TEXT NOT NULL,
    key_column TEXT,
    lon_column TEXT,
    lat_column TEXT,
    director TEXT,
    director_key TEXT,
    director_lon_column TEXT,
    director_lat_column TEXT,
    left_director TEXT,
    left_column TEXT,
    right_director TEXT,
    right_column TEXT,
    UNIQUE (database_id, position),
    UNIQUE (database_id, name_folded)
);

CREATE TABLE columns (
    table_id BIGINT NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    datatype TEXT NOT NULL,
    length BIGINT,
    nullable BIGINT NOT NULL,
    unit TEXT,
    ucd TEXT,
    utype TEXT,
    description TEXT,
    xtype TEXT,
    arraysize TEXT,
    principal BIGINT NOT NULL,
    std BIGINT NOT NULL,
    column_index BIGINT,
    -- Place in the declared primary key, from 0.
    primary_key_position BIGINT,
    PRIMARY KEY (table_id, position),
    UNIQUE (table_id, name_folded)
);

CREATE TABLE foreign_keys (
    id BIGINT NOT NULL PRIMARY KEY,
    database_id BIGINT NOT NULL REFERENCES databases (id) ON DELETE CASCADE,
    from_table_id BIGINT NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
    target_table_id BIGINT NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
    description TEXT
);
CREATE INDEX foreign_keys_database ON foreign_keys (database_id);

CREATE TABLE foreign_key_columns (
    foreign_key_id BIGINT NOT NULL REFERENCES foreign_keys (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    from_column TEXT NOT NULL,
    target_column TEXT NOT NULL,
    PRIMARY KEY (foreign_key_id, position)
);

CREATE TABLE transactions (
    id BIGINT NOT NULL PRIMARY KEY,
    database_id BIGINT NOT NULL REFERENCES databases (id) ON DELETE CASCADE,
    -- open, committed or aborted.
    state TEXT NOT NULL,
    began_unix_ms BIGINT NOT NULL,
    -- When something was last added.
    touched_unix_ms BIGINT NOT NULL,
    -- The snapshot that its commit made: the created number of all its segments.
    snapshot BIGINT
);
CREATE INDEX transactions_database ON transactions (database_id);
CREATE INDEX transactions_state ON transactions (state);

CREATE TABLE contributions (
    id BIGINT NOT NULL PRIMARY KEY,
    transaction_id BIGINT NOT NULL REFERENCES transactions (id) ON DELETE CASCADE,
    table_id BIGINT NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    bad_rows BIGINT NOT NULL,
    orphans BIGINT NOT NULL,
    added_unix_ms BIGINT NOT NULL
);
CREATE INDEX contributions_transaction ON contributions (transaction_id);
CREATE INDEX contributions_table ON contributions (table_id);

-- A segment is visible in snapshot N if its transaction's snapshot is at most N and it is not retired by N.
CREATE TABLE segments (
    id BIGINT NOT NULL PRIMARY KEY,
    table_id BIGINT NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
    transaction_id BIGINT NOT NULL REFERENCES transactions (id) ON DELETE CASCADE,
    retired_snapshot BIGINT,
    chunk BIGINT,
    role TEXT NOT NULL,
    path TEXT NOT NULL UNIQUE,
    row_count BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    cap_lon_deg DOUBLE PRECISION,
    cap_lat_deg DOUBLE PRECISION,
    cap_radius_deg DOUBLE PRECISION,
    min_lon_deg DOUBLE PRECISION,
    max_lon_deg DOUBLE PRECISION,
    min_lat_deg DOUBLE PRECISION,
    max_lat_deg DOUBLE PRECISION,
    min_key BIGINT,
    max_key BIGINT,
    null_keys BIGINT NOT NULL
);
CREATE INDEX segments_table ON segments (table_id);
CREATE INDEX segments_transaction ON segments (transaction_id);

CREATE TABLE segment_replicas (
    segment_id BIGINT NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
    worker_id TEXT NOT NULL,
    PRIMARY KEY (segment_id, worker_id)
);
CREATE INDEX segment_replicas_worker ON segment_replicas (worker_id);

-- Tables in which a transaction put one key into several chunks.
CREATE TABLE cleared_key_localities (
    transaction_id BIGINT NOT NULL REFERENCES transactions (id) ON DELETE CASCADE,
    table_id BIGINT NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
    PRIMARY KEY (transaction_id, table_id)
);
CREATE INDEX cleared_key_localities_table ON cleared_key_localities (table_id);

CREATE TABLE workers (
    id TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    seen_unix_ms BIGINT NOT NULL
);

-- Files that nothing names any more, until someone has deleted them.
CREATE TABLE garbage (
    worker_id TEXT NOT NULL,
    path TEXT NOT NULL,
    since_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (worker_id, path)
);
