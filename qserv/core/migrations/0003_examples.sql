-- Example queries of databases, for people who see them for the first time.

CREATE TABLE examples (
    database_id BIGINT NOT NULL REFERENCES databases (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    query TEXT NOT NULL,
    PRIMARY KEY (database_id, position)
);
