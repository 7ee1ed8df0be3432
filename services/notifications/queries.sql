-- save_recipients: Take over profiles as the CRM tells them
INSERT INTO recipient (customer_id, name, email, locale)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
ON CONFLICT (customer_id) DO UPDATE SET name = excluded.name, email = excluded.email, locale = excluded.locale
WHERE (recipient.name, recipient.email, recipient.locale)
    IS DISTINCT FROM (excluded.name, excluded.email, excluded.locale);

-- recipients: Profiles by customer
SELECT customer_id, name, email, locale FROM recipient WHERE customer_id = ANY($1::text[]);

-- forget_replies: A relay's reply may repeat the address that it refused
UPDATE letter SET note = NULL WHERE customer_id = ANY($1::text[]) AND note IS NOT NULL;

-- keep_revision: What was said of an incident for a revision; the first telling stays
INSERT INTO revision (incident_id, revision, type, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING revision;

-- revision: What was said of an incident for one revision
SELECT type, body FROM revision WHERE incident_id = $1 AND revision = $2;

-- revisions: What was said of an incident, in the order of its revisions
SELECT type, body FROM revision WHERE incident_id = $1 ORDER BY revision;

-- is_published: Whether a policy of that name was published
SELECT EXISTS (SELECT FROM policy WHERE policy = $1);

-- say_again: What was said of an incident for a revision, in place of what nobody could decide by
UPDATE revision SET type = $3, body = $4 WHERE incident_id = $1 AND revision = $2;

-- drop_revision: Forget a revision that cannot follow the ones before it
DELETE FROM revision WHERE incident_id = $1 AND revision = $2;

-- put_in_force: The incident is by now what this statement says
INSERT INTO incident (incident_id, revision, title, starts_at, ends_at, also, policy, drill, retracted_since)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (incident_id) DO UPDATE SET
    revision = excluded.revision, title = excluded.title, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    also = excluded.also, policy = excluded.policy, drill = excluded.drill, retracted_since = excluded.retracted_since;

-- order_pause: Pause or resume; of two orders the later one counts
INSERT INTO pause (incident_id, paused, at, event) VALUES ($1, $2, $3, $4)
ON CONFLICT (incident_id) DO UPDATE SET paused = excluded.paused, at = excluded.at, event = excluded.event
WHERE (pause.at, pause.event) < (excluded.at, excluded.event);

-- publish_policy: Take over a policy as it was published, once and for all
INSERT INTO policy (policy, title, time_zone, letters, texts) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- incident: What is told of an incident, once its policy is known
SELECT incident_id, incident.title, starts_at, ends_at, also, drill, time_zone, letters, texts
FROM incident JOIN policy USING (policy) WHERE incident_id = $1;

-- retracted: Which of these incidents are taken back, since which revision
SELECT incident_id, retracted_since FROM incident
WHERE incident_id = ANY($1::text[]) AND retracted_since IS NOT NULL;

-- new_letter: Where a batch's first letters land before they are written
CREATE TEMPORARY TABLE IF NOT EXISTS new_letter (
    letter_id uuid, incident_id text, customer_id text, kind text, state text, cancelled text, note text, revision integer,
    drill boolean, event text, news bytea
);
TRUNCATE new_letter;

-- begin_letters: Write letters that nobody has begun yet
INSERT INTO letter (letter_id, incident_id, customer_id, kind, state, cancelled, note, settled_at, revision, drill, events,
                    news)
SELECT letter_id, incident_id, customer_id, kind, state, cancelled, note,
       CASE WHEN state IN ('no_address', 'suppressed') THEN now() END, revision, drill, ARRAY[event], ARRAY[news]
FROM new_letter
ON CONFLICT DO NOTHING
RETURNING letter_id;

-- written_about: Which of these customers have a letter about one of these incidents
SELECT DISTINCT incident_id, customer_id FROM letter
WHERE customer_id = ANY($1::text[]) AND incident_id = ANY($2::text[]);

-- correspondence: All letters to these customers about these incidents, held until the transaction ends
SELECT incident_id, customer_id, letter_id, kind, state, cancelled, drill, events, news FROM letter
WHERE customer_id = ANY($1::text[]) AND incident_id = ANY($2::text[]) ORDER BY letter_id FOR UPDATE;

-- arranged_letter: Where letters land that were arranged anew
CREATE TEMPORARY TABLE IF NOT EXISTS arranged_letter (
    letter_id uuid, incident_id text, customer_id text, kind text, state text, cancelled text, note text, revision integer,
    drill boolean, is_new boolean, events text[], news bytea[]
);
TRUNCATE arranged_letter;

-- write_letters: Those of them that are new
INSERT INTO letter (letter_id, incident_id, customer_id, kind, state, cancelled, note, settled_at, revision, drill, events,
                    news)
SELECT letter_id, incident_id, customer_id, kind, state, cancelled, note,
       CASE WHEN state IN ('no_address', 'suppressed') THEN now() END, revision, drill, events, news
FROM arranged_letter WHERE is_new
ON CONFLICT DO NOTHING
RETURNING letter_id;

-- rewrite_letters: Those of them that were there, as far as they have not left
UPDATE letter SET
    state = new.state, cancelled = new.cancelled, revision = new.revision, drill = new.drill, events = new.events,
    news = new.news,
    note = CASE WHEN letter.cancelled IS DISTINCT FROM new.cancelled THEN new.note ELSE letter.note END,
    due_at = CASE WHEN letter.settled_at IS NOT NULL AND new.state = 'pending' THEN now() ELSE due_at END,
    settled_at = CASE WHEN new.state IN ('waiting', 'pending', 'sending') THEN NULL
                      WHEN letter.state = new.state THEN letter.settled_at ELSE now() END
FROM arranged_letter AS new
WHERE letter.letter_id = new.letter_id AND NOT new.is_new;

-- cancel_retracted: Letters of revisions before the one that took their incident back do not leave. One with several
-- events, or a correction, may know already that all is taken back: it is left as it is, to be looked at
WITH pending AS (
    SELECT first.* FROM incident CROSS JOIN LATERAL (
        SELECT letter_id, letter.incident_id, customer_id, kind, state, letter.drill,
               kind <> 'correction' AND cardinality(events) = 1 AS plain
        FROM letter
        WHERE letter.incident_id = incident.incident_id AND state = 'pending' AND letter.revision < retracted_since
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) AS first WHERE retracted_since IS NOT NULL LIMIT $1
), waiting AS (
    SELECT letter_id, letter.incident_id, customer_id, kind, state, letter.drill,
           kind <> 'correction' AND cardinality(events) = 1 AS plain
    FROM incident JOIN letter USING (incident_id)
    WHERE retracted_since IS NOT NULL AND letter.revision < retracted_since AND state = 'waiting'
    LIMIT $1 FOR UPDATE OF letter SKIP LOCKED
), late AS (
    SELECT * FROM pending UNION ALL SELECT * FROM waiting
), cancelled AS (
    UPDATE letter SET state = 'suppressed', cancelled = 'retracted', note = $2, settled_at = now()
    FROM late WHERE letter.letter_id = late.letter_id AND plain
    RETURNING letter.letter_id, letter.incident_id, letter.customer_id, letter.kind, letter.state, letter.drill
)
SELECT letter_id::text, incident_id, customer_id, kind, state, drill, true AS is_cancelled FROM cancelled
UNION ALL SELECT letter_id::text, incident_id, customer_id, kind, state, drill, false FROM late WHERE NOT plain;

-- stopped_in_vain: Customers whose letters do not leave though their incident stands again
SELECT incident_id, customer_id FROM incident CROSS JOIN LATERAL (
    SELECT customer_id FROM letter
    WHERE letter.incident_id = incident.incident_id AND cancelled = 'retracted'
    LIMIT $1 FOR UPDATE SKIP LOCKED
) AS stopped
WHERE retracted_since IS NULL LIMIT $1;

-- corrected: Who of these letters' customers has a correction about the same incident
SELECT DISTINCT letter.incident_id, letter.customer_id
FROM letter JOIN letter AS correction USING (incident_id, customer_id)
WHERE letter.letter_id = ANY($1::uuid[]) AND correction.kind = 'correction';

-- waiting_letters: Letters that wait for these customers' profiles
SELECT letter_id::text, customer_id, incident_id, kind, drill FROM letter
WHERE customer_id = ANY($1::text[]) AND state = 'waiting' FOR UPDATE;

-- addressable_letters: Letters that wait for a profile that is there
SELECT letter_id::text, customer_id, incident_id, kind, drill, name, email, locale FROM letter JOIN recipient USING (customer_id)
WHERE state = 'waiting' LIMIT $1 FOR UPDATE OF letter SKIP LOCKED;

-- forgotten_letters: Letters that these customers are not to get any more
SELECT letter_id::text, customer_id, incident_id, kind, drill FROM letter
WHERE customer_id = ANY($1::text[]) AND state IN ('waiting', 'pending') FOR UPDATE;

-- address_letters: What became of letters once the profile was there
UPDATE letter SET state = new.state, settled_at = CASE WHEN new.state = 'no_address' THEN now() END
FROM unnest($1::uuid[], $2::text[]) AS new(letter_id, state)
WHERE letter.letter_id = new.letter_id AND letter.state IN ('waiting', 'pending');

-- claim_letters: Take letters that are due, with all that is needed to write them, of incidents that nobody has paused
WITH open AS (
    SELECT incident_id, coalesce(retracted_since, 0) AS since, drill FROM incident JOIN policy USING (policy)
    WHERE NOT EXISTS (SELECT FROM pause WHERE pause.incident_id = incident.incident_id AND paused)
    ORDER BY random() -- none starves
), due AS (
    SELECT first.letter_id, open.drill FROM open CROSS JOIN LATERAL (
        SELECT letter_id FROM letter
        WHERE letter.incident_id = open.incident_id AND state = 'pending' AND due_at <= now() AND revision >= open.since
        ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) AS first LIMIT $2
)
UPDATE letter SET state = 'sending', claimed_by = $1, claimed_at = now(), drill = letter.drill OR due.drill
FROM due, recipient
WHERE letter.letter_id = due.letter_id AND recipient.customer_id = letter.customer_id
RETURNING letter.letter_id, letter.incident_id, letter.kind, letter.attempts, letter.news, letter.drill,
          recipient.customer_id, recipient.name, recipient.email, recipient.locale;

-- claimed: What a worker had in hand, and which of it are drills
SELECT letter_id, drill FROM letter WHERE state = 'sending' AND claimed_by = $1;

-- abandoned: What workers that are long gone had in hand, and which of it are drills
SELECT letter_id, drill FROM letter WHERE state = 'sending' AND claimed_at < now() - $1::interval;

-- settle_letters: What became of letters in hand; one that is in other hands by now does not come back
UPDATE letter SET
    state = new.state, note = new.note, claimed_by = NULL, claimed_at = NULL, attempts = letter.attempts + new.tried::integer,
    due_at = CASE WHEN new.wait IS NULL THEN due_at ELSE now() + new.wait END,
    settled_at = CASE WHEN new.wait IS NULL THEN now() END
FROM unnest($1::uuid[], $2::text[], $3::interval[], $4::text[], $5::boolean[]) AS new(letter_id, state, wait, note, tried)
WHERE letter.letter_id = new.letter_id AND letter.state = 'sending'
RETURNING letter.letter_id::text, letter.incident_id, letter.customer_id, letter.kind, letter.state, letter.drill;

-- books: An incident's letters in numbers
SELECT kind, state, count(*) AS letters FROM letter WHERE incident_id = $1 GROUP BY kind, state;

-- written_to: How many customers have a letter about an incident
SELECT count(DISTINCT customer_id) FROM letter WHERE incident_id = $1;

-- without_profile: Some of the customers whose letter waits for their profile
SELECT customer_id FROM letter WHERE incident_id = $1 AND state = 'waiting' ORDER BY customer_id LIMIT 20;

-- is_drill: Whether an incident is a drill, by what was declared or by its letters
SELECT coalesce((SELECT drill FROM incident WHERE incident_id = $1),
                EXISTS (SELECT FROM letter WHERE incident_id = $1 AND drill));

-- letters_of_customer: A customer's letters, the latest first
SELECT letter_id::text, incident_id, kind, state, attempts, note, settled_at, revision, drill, cancelled FROM letter
WHERE customer_id = $1 AND ($2::text IS NULL OR incident_id = $2) ORDER BY due_at DESC, kind;

-- letter: One letter with all that is needed to write it again
SELECT letter.letter_id, letter.incident_id, letter.kind, letter.news, letter.customer_id, recipient.name,
       recipient.email, recipient.locale
FROM letter LEFT JOIN recipient USING (customer_id) WHERE letter.letter_id = $1;
