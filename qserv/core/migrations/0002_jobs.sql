-- Asynchronous queries (UWS jobs), from their creation until they are destroyed.

INSERT INTO counters (name, value) VALUES ('job', 0);

CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    -- Order of creation.
    number BIGINT NOT NULL UNIQUE,
    -- Who made it; NULL where the service knows no users.
    owner TEXT,
    -- The user's own name for it.
    run_id TEXT,
    -- A UWS phase.
    phase TEXT NOT NULL,
    -- The request's parameters: a JSON array of pairs.
    parameters TEXT NOT NULL,
    parameter_bytes BIGINT NOT NULL,
    -- Files that came with it: a JSON array, empty when it has run.
    uploads TEXT NOT NULL,
    upload_bytes BIGINT NOT NULL,
    run_time_s BIGINT NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    destruction_unix_ms BIGINT NOT NULL,
    queued_unix_ms BIGINT,
    started_unix_ms BIGINT,
    ended_unix_ms BIGINT,
    -- How often it was started.
    attempts BIGINT NOT NULL,
    -- The czar that runs it, and until when others believe that it does.
    runner TEXT,
    lease_unix_ms BIGINT,
    chunks_total BIGINT NOT NULL,
    chunks_done BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    -- What it holds in the store of results.
    stored_bytes BIGINT NOT NULL,
    failure_kind TEXT,
    failure_message TEXT,
    result_path TEXT,
    result_media_type TEXT
);
CREATE INDEX jobs_phase ON jobs (phase, queued_unix_ms);
CREATE INDEX jobs_destruction ON jobs (destruction_unix_ms);
