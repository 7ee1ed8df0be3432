-- told_contract: Where a batch's contracts land before they are compared
CREATE TEMPORARY TABLE IF NOT EXISTS told_contract AS
SELECT contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee, currency, addons,
       attributes, complimentary, version
FROM contract WITH NO DATA;
TRUNCATE told_contract;

-- save_contracts: Take over contracts as billing tells them; of two tellings the one with the higher version stays
INSERT INTO contract (contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee,
                      currency, addons, attributes, complimentary, version)
SELECT * FROM told_contract
ON CONFLICT (contract_id) DO UPDATE SET
    customer_id = excluded.customer_id, family = excluded.family, product = excluded.product, site = excluded.site,
    starts_on = excluded.starts_on, ends_on = excluded.ends_on, terminated_on = excluded.terminated_on,
    monthly_fee = excluded.monthly_fee, currency = excluded.currency, addons = excluded.addons,
    attributes = excluded.attributes, complimentary = excluded.complimentary, version = excluded.version
WHERE contract.version <= excluded.version;

-- remove_contracts: Forget contracts that are gone
DELETE FROM contract WHERE contract_id = ANY($1::text[]);

-- publish_policy: Publish a policy, unless it was published before
INSERT INTO policy (policy, digest, body) VALUES ($1, $2, $3) ON CONFLICT (policy) DO NOTHING RETURNING policy;

-- policies: Every policy that was published
SELECT policy, digest, body, published_at FROM policy ORDER BY policy;

-- policy: One policy as it was published
SELECT policy, digest, body, published_at FROM policy WHERE policy = $1;

-- meet_incident: Make an incident known, if it is not
INSERT INTO incident (incident_id, drill) VALUES ($1, $2) ON CONFLICT (incident_id) DO NOTHING;

-- hold_open_chunks: Wait until the chunks that somebody is deciding are done, and let nobody begin another
SELECT chunk FROM chunk WHERE incident_id = $1 AND done_at IS NULL ORDER BY revision, run, chunk FOR UPDATE;

-- hold_incident: An incident, held until the transaction ends
SELECT incident_id, revision, held, drill, paused, spent, entries, head, now() AS now FROM incident
WHERE incident_id = $1 FOR UPDATE;

-- declare: Keep what was declared for a revision, unless there is something already
INSERT INTO declaration (incident_id, revision, digest, body, type) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (incident_id, revision) DO NOTHING RETURNING incident_id;

-- declared_digest: What this revision's first declaration looked like
SELECT digest FROM declaration WHERE incident_id = $1 AND revision = $2;

-- declarations: What was declared of an incident, revision by revision, word for word
SELECT revision, type, body, received_at FROM declaration WHERE incident_id = $1 ORDER BY revision;

-- drop_declaration: Forget a revision that turned out to be impossible once the ones before it had come
DELETE FROM declaration WHERE incident_id = $1 AND revision = $2;

-- put_in_force: How far the revisions have come, and whether one waits for another
UPDATE incident SET revision = $2, held = $3, drill = $4 WHERE incident_id = $1;

-- hold_back: A revision has come, and waits for one that has not
UPDATE incident SET held = true WHERE incident_id = $1;

-- supersede: Plans of earlier revisions go no further
UPDATE plan SET state = 'superseded', done_at = now(), reason = $3
WHERE incident_id = $1 AND revision < $2 AND state NOT IN ('superseded', 'done')
RETURNING revision, run;

-- drop_open_chunks: What superseded plans have left undecided
DELETE FROM chunk WHERE incident_id = $1 AND revision < $2 AND done_at IS NULL;

-- order: Pause or resume, unless a later order was given already
UPDATE incident SET paused = $2, ordered_at = $3, ordered_by = $4
WHERE incident_id = $1 AND (ordered_at IS NULL OR (ordered_at, ordered_by) < ($3, $4)) RETURNING incident_id;

-- new_plan: Plan the next run over the customers of the revision in force; none for an incident of which none is
INSERT INTO plan (incident_id, revision, run)
SELECT incident_id, revision, 1 + (SELECT count(*) FROM plan
                                   WHERE plan.incident_id = incident.incident_id
                                     AND plan.revision = incident.revision)
FROM incident WHERE incident_id = $1 AND revision > 0
RETURNING revision, run;

-- plans_to_move: Plans that are not over and have no chunk left to be worked off where they are; not those of an incident
-- that stands still
SELECT incident_id, plan.revision, run, state, barrier FROM plan JOIN incident USING (incident_id)
WHERE state NOT IN ('approval', 'halted', 'superseded', 'done') AND NOT paused AND NOT held
  AND NOT EXISTS (
      SELECT FROM chunk
      WHERE (chunk.incident_id, chunk.revision, chunk.run) = (plan.incident_id, plan.revision, plan.run)
        AND chunk.done_at IS NULL
        AND (state = 'running' OR (state = 'canary' AND canary) OR (state = 'forecasting' AND chunk.forecast IS NULL)))
ORDER BY made_at, incident_id, plan.revision, run;

-- hold_plan: A plan, held until the transaction ends
SELECT state, gate, forecast, hash, expires_at, allowed, customers, go_on_at <= now() AS due FROM plan
WHERE incident_id = $1 AND revision = $2 AND run = $3 FOR UPDATE;

-- plan_at_a_gate: The plan that waits for a person, held until the transaction ends
SELECT revision, run, state, gate, forecast, hash, expires_at, allowed FROM plan
WHERE incident_id = $1 AND state IN ('approval', 'halted') ORDER BY revision DESC, run DESC LIMIT 1 FOR UPDATE;

-- set_barrier: From where on the plan may be cut
UPDATE plan SET state = 'waiting', barrier = $4
WHERE incident_id = $1 AND revision = $2 AND run = $3 AND state IN ('declared', 'waiting')
RETURNING incident_id;

-- move_plan: Bring a plan to another state, and to what a person would have to approve there
UPDATE plan SET state = $4, gate = $5, hash = coalesce($6, hash), reason = $7,
                expires_at = CASE WHEN $5::text IS NULL THEN expires_at ELSE now() + $8::interval END,
                done_at = CASE WHEN $4 = 'done' THEN now() END
WHERE incident_id = $1 AND revision = $2 AND run = $3;

-- foresee: What a plan will come to, and its hash
UPDATE plan SET forecast = $4, hash = $5 WHERE incident_id = $1 AND revision = $2 AND run = $3;

-- allow: What the incident may come to under this plan
UPDATE plan SET allowed = $4 WHERE incident_id = $1 AND revision = $2 AND run = $3;

-- go_on_later: The rest follows the canary by itself after a while
UPDATE plan SET go_on_at = now() + $4::interval WHERE incident_id = $1 AND revision = $2 AND run = $3;

-- ranges: Customers with a contract in scope, if that counts ($3), and those whom the incident ($7) has given something,
-- in chunks of $1 in the order of their ids; the first chunk has $2, unless that is 0
WITH hit AS (
    SELECT customer_id FROM (
        SELECT customer_id FROM contract
        WHERE $3 AND (cardinality($4::text[]) = 0 OR site = ANY($4)) AND (cardinality($5::text[]) = 0 OR family = ANY($5))
          AND (cardinality($6::text[]) = 0 OR contract_id = ANY($6))
        UNION ALL SELECT customer_id FROM granted WHERE incident_id = $7
    ) AS considered GROUP BY customer_id
), numbered AS (
    SELECT customer_id, row_number() OVER (ORDER BY customer_id) - 1 AS place FROM hit
), shared AS (
    SELECT customer_id, CASE WHEN place < $2::bigint THEN 0
                             ELSE (place - $2::bigint) / $1::bigint + ($2::bigint > 0)::integer END AS chunk FROM numbered
)
SELECT chunk::integer, min(customer_id) AS first_customer, max(customer_id) AS last_customer, count(*) AS customers
FROM shared GROUP BY chunk ORDER BY chunk;

-- cut: The chunks of a run, the canary among them, and how many customers it has
WITH made AS (
    INSERT INTO chunk (incident_id, revision, run, chunk, first_customer, last_customer, canary)
    SELECT $1, $2, $3, chunk, first_customer, last_customer, $4 AND chunk = 0
    FROM unnest($6::integer[], $7::text[], $8::text[]) AS range(chunk, first_customer, last_customer)
)
UPDATE plan SET customers = $5 WHERE incident_id = $1 AND revision = $2 AND run = $3;

-- open_chunks_of_plan: How many chunks of a run are open, and how many of those are its canary
SELECT count(*) AS open, count(*) FILTER (WHERE canary) AS canary
FROM chunk WHERE incident_id = $1 AND revision = $2 AND run = $3 AND done_at IS NULL;

-- forecasts: What a run's open chunks will come to
SELECT forecast FROM chunk
WHERE incident_id = $1 AND revision = $2 AND run = $3 AND done_at IS NULL AND forecast IS NOT NULL ORDER BY chunk;

-- forecast_chunk: What a chunk will come to
UPDATE chunk SET forecast = $5 WHERE incident_id = $1 AND revision = $2 AND run = $3 AND chunk = $4;

-- spent: What the incident has come to
SELECT spent FROM incident WHERE incident_id = $1;

-- spend: What the incident has come to
UPDATE incident SET spent = $2 WHERE incident_id = $1;

-- approve: A person answers for a plan
INSERT INTO approval (incident_id, hash, approved_by, approved_at, event_id) VALUES ($1, $2, $3, $4, $5);

-- was_approved: Whether this very approval was heard before
SELECT EXISTS (SELECT FROM approval WHERE incident_id = $1 AND event_id = $2);

-- kin: Other incidents under any version of the same policy ($2), drills among drills, with what was declared of them
SELECT incident_id, incident.revision, jsonb_agg(jsonb_build_array(declaration.type, body) ORDER BY declaration.revision)
FROM incident JOIN declaration USING (incident_id)
WHERE incident_id <> $1 AND drill = $3 AND declaration.revision <= incident.revision
  AND EXISTS (SELECT FROM declaration AS first
              WHERE first.incident_id = incident.incident_id AND first.revision = 1
                AND split_part(first.body ->> 'policy', '@', 1) = $2)
GROUP BY incident_id, incident.revision ORDER BY incident_id;

-- decide_alone: Decide when nobody else decides under a policy
SELECT pg_advisory_xact_lock(hashtextextended($1, 0));

-- decide_beside_others: Decide beside others under a policy, and not beside one who decides alone
SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0));

-- record: One more entry of an incident's audit trail
WITH counted AS (UPDATE incident SET entries = $2, head = $8 WHERE incident_id = $1)
INSERT INTO audit (incident_id, number, at, actor, action, detail, previous, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- audit: An incident's audit trail
SELECT number, at, actor, action, detail, previous, hash FROM audit WHERE incident_id = $1 ORDER BY number;

-- claim_chunk: Take a chunk that nobody holds, to forecast it or to decide it
SELECT chunk.incident_id, chunk.revision, chunk.run, chunk, first_customer, last_customer,
       state = 'forecasting' AS only_forecast, allowed IS NOT NULL AS limited
FROM incident JOIN plan USING (incident_id)
JOIN chunk ON (chunk.incident_id, chunk.revision, chunk.run) = (plan.incident_id, plan.revision, plan.run)
WHERE NOT paused AND NOT held AND chunk.done_at IS NULL
  AND (state = 'running' OR (state = 'canary' AND canary) OR (state = 'forecasting' AND chunk.forecast IS NULL))
ORDER BY chunk.incident_id, chunk.revision, chunk.run, chunk LIMIT 1 FOR UPDATE OF chunk SKIP LOCKED;

-- chunk_facts: All contracts of the customers between two: of those with one in scope, if that counts ($6: all of them),
-- and of those whom the incident ($8) has given something
SELECT contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee, currency, addons,
       attributes, complimentary
FROM contract
WHERE customer_id BETWEEN $1 AND $2
  AND ($6 OR customer_id IN (
      SELECT customer_id FROM contract
      WHERE $7 AND customer_id BETWEEN $1 AND $2
        AND (cardinality($3::text[]) = 0 OR site = ANY($3)) AND (cardinality($4::text[]) = 0 OR family = ANY($4))
        AND (cardinality($5::text[]) = 0 OR contract_id = ANY($5)))
    OR customer_id IN (SELECT customer_id FROM granted WHERE incident_id = $8 AND customer_id BETWEEN $1 AND $2))
ORDER BY customer_id;

-- entries: What the incident has given these customers before, and what of it is withdrawn
SELECT customer_id, grant_id::text, entry_id::text, rule, target, choice, stamp, coalesce(days, amount, 1) AS quantity,
       withdraws::text, honoured, currency
FROM granted WHERE incident_id = $1 AND customer_id BETWEEN $2 AND $3 ORDER BY stamp, entry_id;

-- others: What other incidents have given these customers, net of what was taken back
SELECT customer_id, incident_id, rule, target, choice,
       sum(CASE WHEN withdraws IS NULL THEN coalesce(days, amount, 1) WHEN honoured THEN 0
                ELSE -coalesce(days, amount, 1) END) AS quantity
FROM granted WHERE incident_id = ANY($1::text[]) AND customer_id BETWEEN $2 AND $3
GROUP BY customer_id, incident_id, rule, target, choice ORDER BY customer_id, incident_id, rule, target;

-- consider: Note who was considered; who was excluded and is owed something now is no longer excluded
INSERT INTO consideration (incident_id, customer_id, exclusion, drill)
SELECT $1, *, $4 FROM unnest($2::text[], $3::text[])
ON CONFLICT (incident_id, customer_id) DO UPDATE SET exclusion = excluded.exclusion
WHERE consideration.exclusion IS DISTINCT FROM excluded.exclusion;

-- new_entry: Where a chunk's entries land before they are written
CREATE TEMPORARY TABLE IF NOT EXISTS new_entry AS
SELECT customer_id, rule, target, grant_id, entry_id, choice, kind, days, amount, currency, stamp, withdraws, honoured
FROM granted WITH NO DATA;
TRUNCATE new_entry;

-- grant: Write what is owed, and what is no longer; an entry that is there already does not count
WITH written AS (
    INSERT INTO granted (incident_id, customer_id, rule, target, grant_id, entry_id, revision, run, choice, kind, days,
                         amount, currency, stamp, withdraws, honoured, drill)
    SELECT $1, customer_id, rule, target, grant_id, entry_id, $2, $3, choice, kind, days, amount, currency, stamp,
           withdraws, honoured, $4
    FROM new_entry
    ON CONFLICT (incident_id, customer_id, entry_id) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM written;

-- finish_chunk: The chunk is done, with the facts that it was decided with
UPDATE chunk SET done_at = now(), facts = $5 WHERE incident_id = $1 AND revision = $2 AND run = $3 AND chunk = $4;

-- incidents: The incidents, the latest first, with their last plan
SELECT incident.incident_id, incident.revision, held, paused, drill, coalesce(first.body ->> 'title', '') AS title,
       coalesce(first.body ->> 'policy', '') AS policy, first.received_at, plan.run, plan.state, plan.customers
FROM incident JOIN declaration AS first ON first.incident_id = incident.incident_id AND first.revision = (
    SELECT min(revision) FROM declaration WHERE declaration.incident_id = incident.incident_id
) LEFT JOIN LATERAL (
    SELECT run, state, customers FROM plan
    WHERE plan.incident_id = incident.incident_id ORDER BY revision DESC, run DESC LIMIT 1
) AS plan ON true
ORDER BY first.received_at DESC, incident.incident_id LIMIT $1;

-- incident: One incident with its last plan
SELECT incident_id, incident.revision, held, paused, drill, spent, entries, head, plan.revision AS plan_revision, plan.run, plan.state, plan.gate,
       plan.reason, plan.customers, plan.forecast, plan.hash, plan.expires_at, plan.allowed, plan.made_at, plan.done_at,
       plan.go_on_at
FROM incident LEFT JOIN plan USING (incident_id)
WHERE incident_id = $1 ORDER BY plan.revision DESC, plan.run DESC LIMIT 1;

-- considered: Who was considered and excluded, by reason; the reason is null for the entitled
SELECT exclusion, count(*) AS customers FROM consideration WHERE incident_id = $1 GROUP BY exclusion;

-- granted_totals: What is owed for an incident, in numbers
SELECT count(*) FILTER (WHERE withdraws IS NULL) AS remedies, count(*) FILTER (WHERE withdraws IS NOT NULL) AS withdrawals,
       coalesce(sum(CASE WHEN withdraws IS NULL THEN days WHEN NOT honoured THEN -days END), 0)::bigint AS days
FROM granted WHERE incident_id = $1;

-- run_totals: What one run wrote
SELECT count(*) FILTER (WHERE withdraws IS NULL) AS remedies,
       count(*) FILTER (WHERE withdraws IS NOT NULL AND NOT honoured) AS taken_back,
       count(*) FILTER (WHERE honoured) AS honoured
FROM granted WHERE incident_id = $1 AND revision = $2 AND run = $3;

-- granted_money: What is owed for an incident, in money, net of what is taken back
SELECT currency, sum(CASE WHEN withdraws IS NULL THEN amount WHEN NOT honoured THEN -amount ELSE 0 END) AS amount
FROM granted WHERE incident_id = $1 AND amount IS NOT NULL GROUP BY currency ORDER BY currency;

-- open_chunks: How much of an incident is still to be decided
SELECT count(*) FROM chunk WHERE incident_id = $1 AND done_at IS NULL;

-- facts_of_customer: The facts of the chunks that a customer was in, run by run
SELECT revision, run, done_at, facts FROM chunk
WHERE incident_id = $1 AND first_customer <= $2 AND last_customer >= $2 AND done_at IS NOT NULL ORDER BY revision, run;

-- grants_of_customer: What a customer is owed for an incident
SELECT grant_id::text, entry_id::text, rule, target, choice, kind, days, amount, currency, revision, run, stamp,
       withdraws::text, honoured
FROM granted WHERE incident_id = $1 AND customer_id = $2 ORDER BY rule, target, stamp, entry_id;

-- consideration_of_customer: Whether a customer was considered, and why he is owed nothing, if so
SELECT exclusion FROM consideration WHERE incident_id = $1 AND customer_id = $2;
