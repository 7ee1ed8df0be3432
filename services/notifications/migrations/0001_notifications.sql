-- Whom to write to: the only place with names and addresses. A customer who was forgotten keeps a row of nulls.
CREATE TABLE recipient (
    customer_id text COLLATE "C" PRIMARY KEY,
    name text,
    email text,
    locale text
) WITH (fillfactor = 90);

-- What happened, as the last declaration tells it.
CREATE TABLE incident (
    incident_id text PRIMARY KEY,
    revision integer NOT NULL,
    title text NOT NULL,
    starts_at text NOT NULL, -- ISO 8601 with the offset that it was declared in: letters tell the time there
    ends_at text
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
    adjustments bytea[] NOT NULL, -- the data of the events, JSON
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claimed_by text,
    claimed_at timestamptz,
    note text, -- the relay's last reply, or why there was none
    settled_at timestamptz,
    CHECK ((state = 'sending') = (claimed_by IS NOT NULL)),
    CHECK ((state IN ('waiting', 'pending', 'sending')) = (settled_at IS NULL)),
    CHECK (cardinality(events) = cardinality(adjustments))
) WITH (fillfactor = 70);
CREATE INDEX letter_customer ON letter (customer_id);
CREATE INDEX letter_pending ON letter (due_at) WHERE state = 'pending';
CREATE INDEX letter_sending ON letter (claimed_by) WHERE state = 'sending';
CREATE INDEX letter_waiting ON letter (customer_id) WHERE state = 'waiting';
