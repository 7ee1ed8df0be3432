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

-- save_incident: Take over a declaration; the first telling of a revision stays, an older one changes nothing
INSERT INTO incident (incident_id, revision, title, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (incident_id) DO UPDATE SET
    revision = excluded.revision, title = excluded.title, starts_at = excluded.starts_at, ends_at = excluded.ends_at
WHERE incident.revision < excluded.revision;

-- new_letter: Where a batch's letters land before they are written
CREATE TEMPORARY TABLE IF NOT EXISTS new_letter (
    letter_id uuid, incident_id text, customer_id text, kind text, state text, event text, adjustment bytea
);
TRUNCATE new_letter;

-- add_letters: Write letters, or add to one that has not left; an event that is in its letter already does not come back
INSERT INTO letter (letter_id, incident_id, customer_id, kind, state, settled_at, events, adjustments)
SELECT letter_id, incident_id, customer_id, kind, state, CASE WHEN state = 'no_address' THEN now() END,
       ARRAY[event], ARRAY[adjustment]
FROM new_letter
ON CONFLICT (letter_id) DO UPDATE SET
    events = letter.events || excluded.events, adjustments = letter.adjustments || excluded.adjustments
WHERE letter.state IN ('waiting', 'pending', 'no_address') AND NOT letter.events @> excluded.events
RETURNING letter_id, cardinality(events) = 1 AS is_new;

-- told: Which events are in these letters already
SELECT letter_id, unnest(events) FROM letter WHERE letter_id = ANY($1::uuid[]);

-- waiting_letters: Letters that wait for these customers' profiles
SELECT letter_id::text, customer_id, incident_id, kind FROM letter
WHERE customer_id = ANY($1::text[]) AND state = 'waiting' FOR UPDATE;

-- addressable_letters: Letters that wait for a profile that is there
SELECT letter_id::text, customer_id, incident_id, kind, name, email, locale FROM letter JOIN recipient USING (customer_id)
WHERE state = 'waiting' LIMIT $1 FOR UPDATE OF letter SKIP LOCKED;

-- forgotten_letters: Letters that these customers are not to get any more
SELECT letter_id::text, customer_id, incident_id, kind FROM letter
WHERE customer_id = ANY($1::text[]) AND state IN ('waiting', 'pending') FOR UPDATE;

-- address_letters: What became of letters once the profile was there
UPDATE letter SET state = new.state, settled_at = CASE WHEN new.state = 'no_address' THEN now() END
FROM unnest($1::uuid[], $2::text[]) AS new(letter_id, state)
WHERE letter.letter_id = new.letter_id AND letter.state IN ('waiting', 'pending');

-- claim_letters: Take letters that are due, with all that is needed to write them
WITH due AS (
    SELECT letter_id FROM letter
    WHERE state = 'pending' AND due_at <= now() AND EXISTS (SELECT FROM incident WHERE incident.incident_id = letter.incident_id)
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE letter SET state = 'sending', claimed_by = $1, claimed_at = now()
FROM due, recipient
WHERE letter.letter_id = due.letter_id AND recipient.customer_id = letter.customer_id
RETURNING letter.letter_id, letter.incident_id, letter.kind, letter.attempts, letter.adjustments, recipient.customer_id,
          recipient.name, recipient.email, recipient.locale;

-- incident: What is told of an incident
SELECT incident_id, title, starts_at, ends_at FROM incident WHERE incident_id = $1;

-- claimed: What a worker had in hand
SELECT letter_id, attempts FROM letter WHERE state = 'sending' AND claimed_by = $1;

-- abandoned: What workers that are long gone had in hand
SELECT letter_id, attempts FROM letter WHERE state = 'sending' AND claimed_at < now() - $1::interval;

-- settle_letters: What became of letters in hand; one that is in other hands by now does not come back
UPDATE letter SET
    state = new.state, note = new.note, claimed_by = NULL, claimed_at = NULL, attempts = letter.attempts + new.tried::integer,
    due_at = CASE WHEN new.wait IS NULL THEN due_at ELSE now() + new.wait END,
    settled_at = CASE WHEN new.wait IS NULL THEN now() END
FROM unnest($1::uuid[], $2::text[], $3::interval[], $4::text[], $5::boolean[]) AS new(letter_id, state, wait, note, tried)
WHERE letter.letter_id = new.letter_id AND letter.state = 'sending'
RETURNING letter.letter_id::text, letter.incident_id, letter.customer_id, letter.kind, letter.state;

-- books: An incident's letters in numbers
SELECT kind, state, count(*) AS letters FROM letter WHERE incident_id = $1 GROUP BY kind, state;

-- written_to: How many customers have a letter about an incident
SELECT count(DISTINCT customer_id) FROM letter WHERE incident_id = $1;

-- without_profile: Some of the customers whose letter waits for their profile
SELECT customer_id FROM letter WHERE incident_id = $1 AND state = 'waiting' ORDER BY customer_id LIMIT 20;

-- quarantined: The customers whose adjustments were set aside
SELECT DISTINCT convert_from(key, 'UTF8') FROM quarantine WHERE topic = $1 AND key IS NOT NULL;

-- letters_of_customer: A customer's letters, the latest first
SELECT letter_id::text, incident_id, kind, state, attempts, note, settled_at FROM letter
WHERE customer_id = $1 AND ($2::text IS NULL OR incident_id = $2) ORDER BY due_at DESC, kind;

-- letter: One letter with all that is needed to write it again
SELECT letter.letter_id, letter.incident_id, letter.kind, letter.adjustments, letter.customer_id, recipient.name,
       recipient.email, recipient.locale
FROM letter LEFT JOIN recipient USING (customer_id) WHERE letter.letter_id = $1;

-- resolve_incident: The end is known now
UPDATE incident SET revision = $2, ends_at = $3 WHERE incident_id = $1 AND revision < $2;
