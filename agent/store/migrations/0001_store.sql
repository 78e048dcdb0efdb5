-- The store: one schema of ours with fixed tables; mirrors and derived state live in schemas made from the configuration.
-- Every queue is a table; every lifecycle is a column with a checked set of states.

CREATE SCHEMA IF NOT EXISTS coexist;

-- Which store this is (a restored copy must not create again what the original created).
CREATE TABLE coexist.store_identity (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    system_id   text NOT NULL,
    timeline    integer NOT NULL,
    restored_at timestamptz,             -- set by an operator's word; creates ask first until cleared
    created_at  timestamptz NOT NULL DEFAULT now()
);

---------------------------------------------------------------------------------------------------- capture → inbox

CREATE TABLE coexist.stream (
    stream_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source         text NOT NULL UNIQUE,
    incarnation    integer NOT NULL DEFAULT 1,
    system_id      text,
    timeline       integer,
    snapshot_state text NOT NULL DEFAULT 'none' CHECK (snapshot_state IN ('none', 'running', 'done')),
    position       bigint,               -- commit position of the last whole transaction in the inbox, or idle position
    last_txn       bigint NOT NULL DEFAULT 0,
    last_seq       bigint NOT NULL DEFAULT 0,
    open_pos       bigint,               -- a huge transaction (or the snapshot) of which open_rows are durable already
    open_rows      bigint NOT NULL DEFAULT 0,
    captured       bigint NOT NULL DEFAULT 0,  -- row changes as the reader counted them on the wire
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE coexist.relation (
    relation_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id   integer NOT NULL REFERENCES coexist.stream,
    ref         bigint NOT NULL,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    columns     jsonb NOT NULL,          -- [{name, type_name, key, not_null}], in the order of inbox value arrays
    seen_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX relation_by_ref ON coexist.relation (stream_id, ref, relation_id);

CREATE TABLE coexist.inbox_txn (
    stream_id    integer NOT NULL,
    txn_no       bigint NOT NULL,
    commit_pos   bigint NOT NULL,
    xid          bigint NOT NULL,
    committed_at timestamptz NOT NULL,
    first_seq    bigint NOT NULL,
    last_seq     bigint NOT NULL,        -- first_seq - 1 when it holds no row
    snapshot     boolean NOT NULL DEFAULT false,
    incarnation  integer NOT NULL DEFAULT 1,  -- of the source; a new one begins with a snapshot
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream_id, txn_no)
);

CREATE TABLE coexist.inbox (
    stream_id   integer NOT NULL,
    seq         bigint NOT NULL,
    txn_no      bigint NOT NULL,
    relation_id integer NOT NULL,
    op          "char" NOT NULL,
    old_values  text[],
    new_values  text[],
    unchanged   smallint[],              -- 1-based positions in new_values that the source did not send
    old_complete boolean NOT NULL DEFAULT false,
    PRIMARY KEY (stream_id, seq)
);

-- A row change that no set survives: kept raw, counted as held, shown as an exception.
CREATE TABLE coexist.held_row (
    held_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id   integer NOT NULL,
    seq         bigint NOT NULL,
    txn_no      bigint NOT NULL,
    relation_id integer NOT NULL,
    op          "char" NOT NULL,
    stage       text NOT NULL CHECK (stage IN ('copy', 'merge')),
    raw         bytea NOT NULL,          -- orjson of {old, new, unchanged}, lossless also where text is not
    key_text    text NOT NULL DEFAULT '',
    error       text NOT NULL,
    held_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

---------------------------------------------------------------------------------------------------- mirror, derive

CREATE TABLE coexist.derive_position (
    stream_id   integer PRIMARY KEY REFERENCES coexist.stream,
    txn_no      bigint NOT NULL DEFAULT 0,
    seq         bigint NOT NULL DEFAULT 0,
    commit_pos  bigint NOT NULL DEFAULT 0,
    fence       bigint NOT NULL DEFAULT 0,
    baseline_done boolean NOT NULL DEFAULT false,   -- the first snapshot is merged and every entity of it derived
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Mirror tables as they stand: what the DDL step built, for which relation.
CREATE TABLE coexist.mirror_table (
    stream_id   integer NOT NULL REFERENCES coexist.stream,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    columns     jsonb NOT NULL,
    floor_pos   bigint NOT NULL DEFAULT 0,          -- below it nothing enters (truncate, pruned tombstones)
    floor_inc   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (stream_id, schema_name, table_name)
);

CREATE TABLE coexist.mapping_version (
    mapping     text NOT NULL,
    version     text NOT NULL,                      -- digest of SQL, value maps and schema it was compiled against
    sql         text NOT NULL,
    rules       text NOT NULL DEFAULT '',           -- digest of what its entities were last decided by: ownership, value maps, targets
    active      boolean NOT NULL DEFAULT true,
    activated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (mapping, version)
);

-- Entities still to be evaluated after a batch that touched too many for one transaction. Nothing of that source is
-- merged before this is empty, so what is evaluated is the state at a transaction boundary.
CREATE TABLE coexist.dirty (
    dirty_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id   integer NOT NULL,
    mapping     text NOT NULL,
    key_values  text[] NOT NULL,
    txn_no      bigint NOT NULL,
    own         boolean NOT NULL,
    cause       text NOT NULL DEFAULT 'live' CHECK (cause IN ('live', 'baseline', 'remap', 'replay'))
);
CREATE INDEX dirty_by_stream ON coexist.dirty (stream_id, mapping, dirty_id);

---------------------------------------------------------------------------------------------------- identity, journal

-- Every id of every entity in every source: a key change keeps the entity and adds a row.
CREATE TABLE coexist.source_key (
    entity      text NOT NULL,
    source      text NOT NULL,
    key_text    text NOT NULL,                      -- source key, canonical text form
    entity_id   uuid NOT NULL,
    valid_from  bigint NOT NULL DEFAULT 0,          -- txn_no
    valid_to    bigint,                             -- null: current
    method      text NOT NULL DEFAULT 'key'
);
CREATE UNIQUE INDEX source_key_current ON coexist.source_key (entity, source, key_text) WHERE valid_to IS NULL;
CREATE INDEX source_key_by_entity ON coexist.source_key (entity_id);

CREATE TABLE coexist.journal (
    event_id      bigint PRIMARY KEY,
    entity        text NOT NULL,
    entity_id     uuid NOT NULL,
    event_type    text NOT NULL,                    -- customer.changed, invoice.posted, …
    cause         text NOT NULL CHECK (cause IN ('live', 'baseline', 'remap', 'replay')),
    source        text NOT NULL,
    source_key    text NOT NULL,
    txn_no        bigint NOT NULL,
    commit_pos    bigint NOT NULL,
    xid           bigint NOT NULL,
    committed_at  timestamptz NOT NULL,
    correlation   text NOT NULL,                    -- <source>:<incarnation>:<xid>:<commit position>
    mapping       text NOT NULL,
    mapping_version text NOT NULL,
    changes       jsonb NOT NULL,                   -- {field: [before, after]}
    at            timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX journal_by_entity ON coexist.journal (entity_id, event_id);
CREATE SEQUENCE coexist.event_id_seq;

---------------------------------------------------------------------------------------------------- outbox, apply

CREATE TABLE coexist.target (
    target        text PRIMARY KEY,
    tenant        text,
    paused        boolean NOT NULL DEFAULT false,
    paused_by     text, paused_reason text, paused_at timestamptz,
    stopped_reason text,                            -- set by the agent: credentials, wrong tenant
    baseline_done boolean NOT NULL DEFAULT false,
    not_before    timestamptz                       -- Retry-After of the whole target
);

CREATE TABLE coexist.record (
    target       text NOT NULL,
    object       text NOT NULL,
    entity_id    uuid NOT NULL,
    legal_entity text,
    external_key jsonb NOT NULL DEFAULT '{}',
    lifecycle    text NOT NULL DEFAULT 'absent' CHECK (lifecycle IN ('absent', 'draft', 'live', 'posted', 'deleted')),
    native_id    text,
    token        text,
    agreed       jsonb NOT NULL DEFAULT '{}',
    documents    jsonb NOT NULL DEFAULT '[]',
    must_ask     boolean NOT NULL DEFAULT false,    -- after a restored store: find before create
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (target, object, entity_id)
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX record_external_key ON coexist.record (target, object, external_key) WHERE external_key <> '{}';

CREATE TABLE coexist.command (
    command_id   bigint PRIMARY KEY,
    target       text NOT NULL,
    object       text NOT NULL,
    entity_id    uuid NOT NULL,
    legal_entity text,
    kind         text NOT NULL CHECK (kind IN ('state', 'step', 'delete')),
    step         text,
    wanted       jsonb NOT NULL,
    refs         jsonb NOT NULL DEFAULT '[]',       -- [{field, object, entity_id, deferrable}]
    own_change   boolean NOT NULL DEFAULT true,
    historical   boolean NOT NULL DEFAULT false,
    defer_refs   boolean NOT NULL DEFAULT false,
    state        text NOT NULL CHECK (state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked', 'applied',
                                               'superseded', 'suppressed', 'skipped')),
    reason       text NOT NULL DEFAULT '',
    rule         text NOT NULL DEFAULT '',          -- ownership rule(s) that let it through, with version
    event_id     bigint NOT NULL DEFAULT 0,
    txn_no       bigint NOT NULL DEFAULT 0,
    source       text NOT NULL DEFAULT '',
    correlation  text NOT NULL DEFAULT '',
    attempts     integer NOT NULL DEFAULT 0,
    not_before   timestamptz,
    call_id      bigint,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at      timestamptz
) WITH (fillfactor = 85);
CREATE SEQUENCE coexist.command_id_seq;
-- Every command that is not at an end yet, by record, so that none overtakes another.
CREATE INDEX command_open ON coexist.command (target, object, entity_id, command_id)
    WHERE state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked');
CREATE INDEX command_waiting ON coexist.command (target, command_id) WHERE state = 'waiting';
CREATE INDEX command_by_entity ON coexist.command (entity_id, command_id);

-- One HTTP request's worth of work: the lease. A worker that lost it must not send.
CREATE TABLE coexist.request (
    request_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target      text NOT NULL,
    worker      text NOT NULL,
    lease_until timestamptz NOT NULL,
    sent_at     timestamptz,                        -- set (and committed) right before the bytes leave
    closed_at   timestamptz
);
CREATE INDEX request_open ON coexist.request (target) WHERE closed_at IS NULL;

-- The durable intent of one write. Never updated: what came of it is an outcome.
CREATE TABLE coexist.call (
    call_id      bigint PRIMARY KEY,
    request_id   bigint NOT NULL,
    command_id   bigint NOT NULL,
    target       text NOT NULL,
    object       text NOT NULL,
    entity_id    uuid NOT NULL,
    action       text NOT NULL,
    external_key jsonb NOT NULL,
    digest       text NOT NULL,
    body         jsonb NOT NULL,
    marker       text,
    progress     jsonb NOT NULL DEFAULT '{}',       -- what the record becomes if this is accepted
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE SEQUENCE coexist.call_id_seq;
CREATE INDEX call_by_command ON coexist.call (command_id, call_id);
CREATE INDEX call_by_request ON coexist.call (request_id);

CREATE TABLE coexist.outcome (
    outcome_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id    bigint NOT NULL,
    kind       text NOT NULL,                       -- accepted, retry, conflict, park, stop, unknown, found, absent, released
    native_id  text,
    token      text,
    status     integer,
    code       text NOT NULL DEFAULT '',
    message    text NOT NULL DEFAULT '',
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outcome_by_call ON coexist.outcome (call_id);

CREATE TABLE coexist.cross_reference (
    entity       text NOT NULL,
    entity_id    uuid NOT NULL,
    system       text NOT NULL,
    legal_entity text NOT NULL DEFAULT '',
    native_id    text NOT NULL,
    role         text NOT NULL DEFAULT 'original',  -- original, reversal, successor
    method       text NOT NULL DEFAULT 'created',   -- created, matched_key, matched_person
    valid_from   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (system, entity, legal_entity, native_id)
);
CREATE INDEX cross_reference_by_entity ON coexist.cross_reference (entity_id);

CREATE TABLE coexist.exception (
    exception_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage        text NOT NULL,                     -- copy, merge, evaluate, validate, decide, apply, brake, baseline
    subject      text NOT NULL,                     -- stable: what it is about, e.g. entity:invoice:<uuid>
    entity       text, entity_id uuid, target text, object text, command_id bigint, stream_id integer,
    code         text NOT NULL,
    message      text NOT NULL,
    remedy       text NOT NULL DEFAULT '',
    diagnostics  jsonb NOT NULL DEFAULT '{}',
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    opened_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at    timestamptz,
    closed_by    text,
    close_reason text
);
CREATE UNIQUE INDEX exception_open ON coexist.exception (stage, subject) WHERE state = 'open';
CREATE INDEX exception_by_entity ON coexist.exception (entity_id) WHERE state = 'open';

---------------------------------------------------------------------------------------------------- books

-- Counters written in the same transaction as what they count, each side by another hand.
CREATE TABLE coexist.ledger (
    ledger text NOT NULL CHECK (ledger IN ('rows', 'row_effects', 'entities', 'commands')),
    scope  text NOT NULL,                           -- source or target
    item   text NOT NULL,
    n      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (ledger, scope, item)
) WITH (fillfactor = 50);

CREATE TABLE coexist.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor    text NOT NULL,
    action   text NOT NULL,
    subject  text NOT NULL,
    reason   text NOT NULL DEFAULT '',
    details  jsonb NOT NULL DEFAULT '{}'
);
