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

-- outbox_end: The last row written so far
SELECT coalesce(max(outbox_id), 0) FROM outbox;

-- set_aside: Keep records that can never be processed, once each
INSERT INTO quarantine (cluster, topic, partition, record_offset, key, value, headers, reason)
SELECT $1, * FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::text[])
ON CONFLICT (cluster, topic, partition, record_offset) DO NOTHING;

-- add_tally: Add counts to running totals, and say how they stand
INSERT INTO tally (subject, lane, name, total)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
ON CONFLICT (subject, lane, name) DO UPDATE SET total = tally.total + excluded.total
RETURNING subject, lane, name, total;

-- tally_totals: A subject's totals over all lanes
SELECT name, sum(total)::bigint FROM tally WHERE subject = $1 GROUP BY name;
