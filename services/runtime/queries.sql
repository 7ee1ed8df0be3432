-- positions: Where we stand in these partitions
SELECT partition, next, cluster FROM position WHERE topic = $1 AND partition = ANY($2::integer[]);

-- all_positions: Where this service stands everywhere
SELECT topic, partition, next FROM position ORDER BY topic, partition;

-- other_clusters: Whether a topic is read in another cluster
SELECT EXISTS (SELECT FROM position WHERE topic = $1 AND cluster <> $2);

-- begin_position: Start to follow a partition, unless somebody has already
INSERT INTO position (topic, partition, next, cluster) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- reset_position: The log began a new life (or lost its head): stand at its start, unless somebody has moved already
UPDATE position SET next = $3, cluster = $4
WHERE topic = $1 AND partition = $2 AND next = $5 AND cluster = $6;

-- claim_positions: Move several positions forward by compare-and-set; a row that does not come back is not ours
UPDATE position SET next = claim.new
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS claim(topic, partition, expected, new)
WHERE position.topic = claim.topic AND position.partition = claim.partition AND position.next = claim.expected
  AND position.cluster = $5
RETURNING position.topic, position.partition;

-- write_outbox: One row for all that a batch publishes
INSERT INTO outbox (records, payload) VALUES ($1, $2) RETURNING outbox_id;

-- lock_outbox: Hold one row against other relays while it is published; no row when it has been published already
SELECT outbox_id FROM outbox WHERE outbox_id = $1 AND published_at IS NULL FOR UPDATE;

-- lock_outbox_payload: The same, with what to publish, for a row that somebody else wrote
SELECT payload FROM outbox WHERE outbox_id = $1 AND published_at IS NULL FOR UPDATE;

-- pending_outbox: What was committed this long ago and not published, in the order of writing
SELECT outbox_id FROM outbox WHERE published_at IS NULL AND created_at <= now() - $1::interval ORDER BY outbox_id;

-- mark_published: The broker has acknowledged all of it
UPDATE outbox SET published_at = now() WHERE outbox_id = $1;

-- outbox_after: The next row to publish once more, in the order of writing
SELECT outbox_id, records, payload FROM outbox WHERE outbox_id > $1 ORDER BY outbox_id LIMIT 1;

-- prune_outbox: Delete what is published and past keeping, among the oldest rows, and note that some are gone; how many
WITH oldest AS (SELECT outbox_id FROM outbox ORDER BY outbox_id LIMIT 500),
     past AS (DELETE FROM outbox USING oldest
              WHERE outbox.outbox_id = oldest.outbox_id AND published_at IS NOT NULL AND created_at < now() - $1::interval
              RETURNING 1),
     noted AS (INSERT INTO tally (subject, lane, name, total)
               SELECT '', 'outbox', 'pruned', count(*) FROM past HAVING count(*) > 0
               ON CONFLICT (subject, lane, name) DO UPDATE SET total = tally.total + excluded.total)
SELECT count(*) FROM past;

-- outbox_was_pruned: Whether rows of the outbox's beginning are gone
SELECT EXISTS (SELECT FROM tally WHERE subject = '' AND lane = 'outbox' AND name = 'pruned');

-- set_aside: Keep records that can never be processed, once each
INSERT INTO quarantine (cluster, topic, partition, record_offset, key, value, headers, reason, record_time)
SELECT $1, * FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::text[],
                         $9::bigint[])
ON CONFLICT ON CONSTRAINT quarantine_once DO NOTHING;

-- anything_set_aside: Whether any record of these topics is set aside
SELECT EXISTS (SELECT FROM quarantine WHERE topic = ANY($1::text[]) AND state = 'set_aside');

-- supersede: Records whose key has been told anew by a later record: to apply them now would bring back what was
-- true before ($6: only those that were set aside before this one)
UPDATE quarantine SET state = 'superseded'
FROM (SELECT topic, partition, key, max(record_offset) AS record_offset
      FROM unnest($2::text[], $3::integer[], $4::bytea[], $5::bigint[]) AS told(topic, partition, key, record_offset)
      GROUP BY topic, partition, key) AS later
WHERE quarantine.topic = later.topic AND quarantine.key = later.key AND quarantine.state = 'set_aside'
  AND quarantine.quarantine_id < coalesce($6::bigint, 9223372036854775807)
  AND (quarantine.cluster <> $1 OR quarantine.partition <> later.partition
       OR quarantine.record_offset < later.record_offset);

-- standing_keys: Whose records of these topics were not applied; whether one of them waits, or all are dropped, which
-- counts only where the record says these words
SELECT key, bool_or(state = 'set_aside') AS waits FROM quarantine
WHERE topic = ANY($1::text[]) AND key IS NOT NULL
  AND (state = 'set_aside' OR (state = 'dropped' AND position($2::bytea IN value) > 0))
GROUP BY key;

-- quarantine_page: Records in the order in which they were set aside, without what they say
SELECT quarantine_id AS id, topic, partition, record_offset AS "offset", reason, set_aside_at, state, attempts,
       coalesce(octet_length(value), 0) AS bytes
FROM quarantine
WHERE ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR position(lower($2) IN lower(reason)) > 0)
  AND ($3::bytea IS NULL OR key = $3) AND ($4::text IS NULL OR state = $4) AND quarantine_id > $5
ORDER BY quarantine_id LIMIT $6;

-- quarantine_totals: How many records there are by topic, reason and state, the most first
SELECT topic, reason, state, count(*) AS records, sum(count(*)) OVER ()::bigint AS all_records
FROM quarantine
WHERE ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR position(lower($2) IN lower(reason)) > 0)
  AND ($3::bytea IS NULL OR key = $3) AND ($4::text IS NULL OR state = $4)
GROUP BY topic, reason, state ORDER BY records DESC, topic, reason, state LIMIT $5;

-- quarantine_states: How many records are in each state
SELECT state, count(*) FROM quarantine GROUP BY state;

-- quarantined: One record with everything that is kept of it
SELECT quarantine_id, cluster, topic, partition, record_offset, key, value, headers, reason, set_aside_at, record_time,
       state, attempts, tried_at, applied_at, dropped_at, dropped_by, dropped_why
FROM quarantine WHERE quarantine_id = $1;

-- hold_topic: Let nobody commit a batch of this topic meanwhile: whoever does moves a position
SELECT partition FROM position WHERE topic = $1 ORDER BY partition FOR UPDATE;

-- hold_quarantined: The record, held until the transaction ends
SELECT quarantine_id, cluster, topic, partition, record_offset, key, value, headers, reason, set_aside_at, record_time,
       state, attempts
FROM quarantine WHERE quarantine_id = $1 FOR UPDATE;

-- mark_applied: The record has had its effects
UPDATE quarantine SET state = 'applied', attempts = attempts + 1, tried_at = now(), applied_at = now()
WHERE quarantine_id = $1 RETURNING attempts;

-- mark_refused: The record was tried again in vain
UPDATE quarantine SET attempts = attempts + 1, tried_at = now(), reason = $2 WHERE quarantine_id = $1 RETURNING attempts;

-- mark_dropped: Somebody answers for it that the record is not applied
UPDATE quarantine SET state = 'dropped', dropped_at = now(), dropped_by = $2, dropped_why = $3
WHERE quarantine_id = $1 RETURNING attempts;

-- add_tally: Add counts to running totals, and say how they stand
INSERT INTO tally (subject, lane, name, total)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
ON CONFLICT (subject, lane, name) DO UPDATE SET total = tally.total + excluded.total
RETURNING subject, lane, name, total;

-- tally_totals: A subject's totals over all lanes
SELECT name, sum(total)::bigint FROM tally WHERE subject = $1 GROUP BY name;
