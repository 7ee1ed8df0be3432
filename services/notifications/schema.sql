-- The documented schema of notifications' own tables:
-- where the migrations lead, in one piece, for people to read.
-- What every service's database has beside them stands in services/runtime/schema.sql.
-- Nothing runs this file but the test that compares it with the migrations, word for word of PostgreSQL's catalogs
-- (tests/integration/test_schemas_of_databases.py): whoever writes a migration puts this right with it. A column that
-- came later stands last.

-- Whom to write to: the only place with names and addresses. A customer who was forgotten keeps a row of nulls.
CREATE TABLE recipient (
    customer_id text COLLATE "C" PRIMARY KEY,
    name text,
    email text,
    locale text
) WITH (fillfactor = 90);

-- What happened, as the statement in force tells it.
CREATE TABLE incident (
    incident_id text PRIMARY KEY,
    revision integer NOT NULL,
    title text NOT NULL,
    starts_at text NOT NULL, -- ISO 8601 with the offset that it was declared in: letters tell the time there
    ends_at text,
    also jsonb NOT NULL, -- further windows, [starts_at, ends_at] each
    policy text NOT NULL,
    drill boolean NOT NULL,
    retracted_since integer -- the revision that took it back, if nothing has reopened it: older letters do not leave
);

-- What was said of an incident, revision by revision: the first possible telling of each.
CREATE TABLE revision (
    incident_id text,
    revision integer,
    type text NOT NULL,
    body bytea NOT NULL, -- the event's data, JSON
    PRIMARY KEY (incident_id, revision)
);

-- The last order to pause or to resume an incident.
CREATE TABLE pause (
    incident_id text PRIMARY KEY,
    paused boolean NOT NULL,
    at timestamptz NOT NULL,
    event text COLLATE "C" NOT NULL -- of two orders at one instant the higher id counts
);

-- Policies as they were published, once and for all: which letters they want, in which zone, in which words.
CREATE TABLE policy (
    policy text PRIMARY KEY,
    title text NOT NULL,
    time_zone text NOT NULL,
    letters text[] NOT NULL,
    texts jsonb NOT NULL -- {language: {kind of letter: its opening paragraphs}}
);

-- A letter is a row before it is a mail. What it says is what billing answered, kept as it came.
CREATE TABLE letter (
    letter_id uuid PRIMARY KEY,
    incident_id text NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('announcement', 'details', 'correction')),
    state text NOT NULL CHECK (state IN ('waiting', 'pending', 'sending', 'sent', 'failed', 'in_doubt', 'suppressed',
                                         'no_address')),
    events text[] NOT NULL,
    news bytea[] NOT NULL, -- the data of the events, JSON: all of it, or what of it concerns this letter
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claimed_by text,
    claimed_at timestamptz,
    note text, -- the relay's last reply, or why there was none
    settled_at timestamptz,
    revision integer NOT NULL DEFAULT 1, -- the highest of its events', or of a retraction that it may leave under
    drill boolean NOT NULL DEFAULT false, -- written like any other and handed to no relay: suppressed, not cancelled
    cancelled text CHECK (cancelled IN ('withdrawn', 'retracted', 'overtaken')), -- why it does not leave, for now
    CHECK ((state = 'sending') = (claimed_by IS NOT NULL)),
    CHECK ((state IN ('waiting', 'pending', 'sending')) = (settled_at IS NULL)),
    CHECK (cardinality(events) = cardinality(news)),
    CHECK (cancelled IS NULL OR state = 'suppressed')
) WITH (fillfactor = 70);
CREATE INDEX letter_customer ON letter (customer_id);
CREATE INDEX letter_pending ON letter (incident_id, due_at) WHERE state = 'pending';
CREATE INDEX letter_sending ON letter (claimed_by) WHERE state = 'sending';
CREATE INDEX letter_waiting ON letter (customer_id) WHERE state = 'waiting';
CREATE INDEX letter_retracted ON letter (incident_id) WHERE cancelled = 'retracted';
