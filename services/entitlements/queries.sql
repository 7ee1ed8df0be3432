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

-- declare: Keep a declaration, unless this revision was declared before
INSERT INTO declaration (incident_id, revision, digest, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (incident_id, revision) DO NOTHING RETURNING incident_id;

-- declared_digest: What this revision's first declaration looked like
SELECT digest FROM declaration WHERE incident_id = $1 AND revision = $2;

-- declaration: A declaration, word for word
SELECT body FROM declaration WHERE incident_id = $1 AND revision = $2;

-- new_plan: Plan a run over a declaration's customers, the next one of its kind; none for an unknown declaration
INSERT INTO plan (incident_id, revision, run)
SELECT incident_id, revision, 1 + (SELECT count(*) FROM plan
                                   WHERE plan.incident_id = declaration.incident_id
                                     AND plan.revision = declaration.revision)
FROM declaration WHERE incident_id = $1 AND ($2::integer IS NULL OR revision = $2)
ORDER BY revision DESC LIMIT 1
RETURNING revision, run;

-- open_plans: Plans that are not done
SELECT incident_id, revision, run, state, barrier FROM plan WHERE state <> 'done' ORDER BY made_at;

-- set_barrier: From where on the plan may be cut
UPDATE plan SET state = 'waiting', barrier = $4
WHERE incident_id = $1 AND revision = $2 AND run = $3 AND state IN ('declared', 'waiting');

-- start_plan: The plan is being cut; no row when somebody else has done so
UPDATE plan SET state = 'running' WHERE incident_id = $1 AND revision = $2 AND run = $3 AND state = 'waiting'
RETURNING incident_id;

-- cut: Cut the customers with a contract in scope into chunks of $4, in the order of their ids; returns how many there are
WITH numbered AS (
    SELECT customer_id, (row_number() OVER (ORDER BY customer_id) - 1) / $4 AS chunk
    FROM (SELECT DISTINCT customer_id FROM contract
          WHERE (cardinality($5::text[]) = 0 OR site = ANY($5)) AND (cardinality($6::text[]) = 0 OR family = ANY($6))
            AND (cardinality($7::text[]) = 0 OR contract_id = ANY($7))) AS hit
), made AS (
    INSERT INTO chunk (incident_id, revision, run, chunk, first_customer, last_customer)
    SELECT $1, $2, $3, chunk, min(customer_id), max(customer_id) FROM numbered GROUP BY chunk
), counted AS (
    UPDATE plan SET customers = (SELECT count(*) FROM numbered) WHERE incident_id = $1 AND revision = $2 AND run = $3
)
SELECT count(*) FROM numbered;

-- finish_plan: The plan is done when none of its chunks is open
UPDATE plan SET state = 'done', done_at = now()
WHERE incident_id = $1 AND revision = $2 AND run = $3 AND state = 'running'
  AND NOT EXISTS (SELECT FROM chunk WHERE chunk.incident_id = $1 AND chunk.revision = $2 AND chunk.run = $3
                                      AND chunk.done_at IS NULL)
RETURNING incident_id;

-- claim_chunk: Take an open chunk that nobody holds
SELECT incident_id, revision, run, chunk, first_customer, last_customer FROM chunk
WHERE done_at IS NULL ORDER BY incident_id, revision, run, chunk LIMIT 1 FOR UPDATE SKIP LOCKED;

-- chunk_facts: All contracts of the chunk's customers, of those with one in scope
SELECT contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee, currency, addons,
       attributes, complimentary
FROM contract
WHERE customer_id BETWEEN $1 AND $2
  AND ($6 OR customer_id IN (
      SELECT customer_id FROM contract
      WHERE customer_id BETWEEN $1 AND $2
        AND (cardinality($3::text[]) = 0 OR site = ANY($3)) AND (cardinality($4::text[]) = 0 OR family = ANY($4))
        AND (cardinality($5::text[]) = 0 OR contract_id = ANY($5))))
ORDER BY customer_id;

-- prior_grants: What the incident has given these customers before
SELECT customer_id, grant_id::text, rule, target, choice FROM granted
WHERE incident_id = $1 AND customer_id BETWEEN $2 AND $3;

-- consider: Note who was considered; who was excluded and is owed something now is no longer excluded
INSERT INTO consideration (incident_id, customer_id, exclusion)
SELECT $1, * FROM unnest($2::text[], $3::text[])
ON CONFLICT (incident_id, customer_id) DO UPDATE SET exclusion = excluded.exclusion
WHERE consideration.exclusion IS DISTINCT FROM excluded.exclusion;

-- new_grant: Where a chunk's grants land before they are written
CREATE TEMPORARY TABLE IF NOT EXISTS new_grant AS
SELECT customer_id, rule, target, grant_id, entry_id, choice, kind, days, amount, currency FROM granted WITH NO DATA;
TRUNCATE new_grant;

-- grant: Write what is owed; a grant that is there already does not count
WITH written AS (
    INSERT INTO granted (incident_id, customer_id, rule, target, grant_id, entry_id, revision, run, choice, kind, days,
                         amount, currency)
    SELECT $1, customer_id, rule, target, grant_id, entry_id, $2, $3, choice, kind, days, amount, currency FROM new_grant
    ON CONFLICT (incident_id, customer_id, rule, target) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM written;

-- finish_chunk: The chunk is done, with the facts that it was decided with
UPDATE chunk SET done_at = now(), facts = $5 WHERE incident_id = $1 AND revision = $2 AND run = $3 AND chunk = $4;

-- incidents: The incidents, the latest first, with their last plan
SELECT DISTINCT ON (received_at, incident_id) incident_id, revision, body ->> 'title' AS title,
       body ->> 'policy' AS policy, (body ->> 'drill')::boolean AS drill, received_at, plan.run, plan.state,
       plan.customers
FROM declaration JOIN plan USING (incident_id, revision)
ORDER BY received_at DESC, incident_id, plan.run DESC LIMIT $1;

-- incident: One incident's last declaration and last plan
SELECT incident_id, revision, body, plan.run, plan.state, plan.customers, plan.made_at, plan.done_at
FROM declaration JOIN plan USING (incident_id, revision)
WHERE incident_id = $1 ORDER BY revision DESC, plan.run DESC LIMIT 1;

-- considered: Who was considered and excluded, by reason; the reason is null for the entitled
SELECT exclusion, count(*) AS customers FROM consideration WHERE incident_id = $1 GROUP BY exclusion;

-- granted_totals: What is owed for an incident, in numbers
SELECT count(*) AS remedies, coalesce(sum(days), 0)::bigint AS days FROM granted WHERE incident_id = $1;

-- open_chunks: How much of an incident is still to be decided
SELECT count(*) FROM chunk WHERE incident_id = $1 AND done_at IS NULL;

-- facts_of_customer: The facts of the chunks that a customer was in, run by run
SELECT revision, run, facts FROM chunk
WHERE incident_id = $1 AND first_customer <= $2 AND last_customer >= $2 AND done_at IS NOT NULL ORDER BY revision, run;

-- grants_of_customer: What a customer is owed for an incident
SELECT grant_id::text, entry_id::text, rule, target, choice, kind, days, amount, currency, revision, run
FROM granted WHERE incident_id = $1 AND customer_id = $2 ORDER BY rule, target;

-- consideration_of_customer: Whether a customer was considered, and why he is owed nothing, if so
SELECT exclusion FROM consideration WHERE incident_id = $1 AND customer_id = $2;
