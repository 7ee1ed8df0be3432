"""Bugs in the shared machinery: positions, the outbox and its relay, the quarantine, retries."""

from __future__ import annotations

from tests.sabotage.bug import Bug

_RUNTIME = "services/runtime"
_TESTS = "tests/integration/runtime"
_UNIT = "tests/unit/runtime"

BUGS = (
    Bug(
        "the position is moved without compare-and-set",
        f"{_RUNTIME}/queries.sql",
        "AND position.next = claim.expected\n",
        "AND claim.expected IS NOT NULL\n",
        "two workers that both believe they own a partition both commit its batch: every effect twice",
        (
            f"{_TESTS}/test_batches.py::test_of_many_claims_of_one_step_exactly_one_is_granted",
            f"{_TESTS}/test_batches.py::test_of_two_who_hold_the_same_batch_the_second_finds_a_conflict_and_leaves_nothing",
        ),
    ),
    Bug(
        "one partition that was lost is no conflict while another is ours",
        f"{_RUNTIME}/positions.py",
        "if len(moved) != len(steps):",
        "if steps and not moved:",
        "the lost partition's records are processed a second time beside those that are ours",
        (f"{_TESTS}/test_batches.py::test_a_claim_moves_all_positions_or_none",),
    ),
    Bug(
        "a position of another cluster is believed",
        f"{_RUNTIME}/positions.py",
        'known["cluster"] != cluster or not extent.first',
        "not extent.first",
        "after the loss of Kafka's data the new log is read from the middle: customers are missed",
        (f"{_TESTS}/test_lives_of_a_log.py::test_another_clusters_position_is_not_believed",),
    ),
    Bug(
        "a log that ends before our position is taken for the same one",
        f"{_RUNTIME}/positions.py",
        'extent.first <= known["next"] <= extent.end:',
        'extent.first <= known["next"]:',
        "a topic that was made anew is not read until it is longer than the old one: nothing happens, or too late",
        (f"{_TESTS}/test_lives_of_a_log.py::test_where_a_consumer_stands",),
    ),
    Bug(
        "a plan's barrier is met when any partition has come to it",
        f"{_RUNTIME}/positions.py",
        "return all(standing.get(partition, 0) >= end",
        "return any(standing.get(partition, 0) >= end",
        "customers whose contracts are still on their way in another partition are missed",
        (f"{_TESTS}/test_lives_of_a_log.py::test_whether_a_topic_has_been_read_up_to_an_end",),
    ),
    Bug(
        "what a batch says is published before it is committed",
        f"{_RUNTIME}/work.py",
        "outbox_id = await outbox.write(connection, transaction.outgoing)\n",
        "outbox_id = await outbox.write(connection, transaction.outgoing)\n"
        "                        await self.relay.publish(connection, outbox_id, transaction.outgoing)\n",
        "billing hears of entitlements that were rolled back: remedies that are in nobody's books",
        (f"{_TESTS}/test_crashes.py::test_nothing_is_heard_of_a_batch_that_was_not_committed",),
    ),
    Bug(
        "a row is marked published before the broker has it",
        f"{_RUNTIME}/relay.py",
        "            await self._publisher.publish(outgoing)\n"
        '            await connection.execute(SQL["mark_published"], outbox_id)\n',
        '            await connection.execute(SQL["mark_published"], outbox_id)\n'
        "        await self._publisher.publish(outgoing)\n",
        "a batch whose publication fails is never heard of: customers are granted a remedy that nobody applies",
        (f"{_TESTS}/test_retries.py::test_work_that_is_committed_and_not_published_is_not_lost",),
    ),
    Bug(
        "the broker's acknowledgement is not awaited",
        f"{_RUNTIME}/relay.py",
        'takes any record")\n        await (await producer.send_batch(batch, topic, partition=partition))',
        'takes any record")\n        await producer.send_batch(batch, topic, partition=partition)',
        "what the broker never took is noted as published: customers are missed",
        (f"{_TESTS}/test_publisher.py::test_what_the_broker_has_not_acknowledged_counts_as_not_published",),
    ),
    Bug(
        "a new owner does not publish what the last one left",
        f"{_RUNTIME}/consumer.py",
        "            await self._workbench.relay.flush()\n",
        "",
        "answers of a worker that was killed come after those of its successor, or not at all",
        (f"{_TESTS}/test_outbox.py::test_what_a_dead_worker_left_is_published_before_the_partitions_next_batch",),
    ),
    Bug(
        "pending rows are published before the positions are read",
        f"{_RUNTIME}/consumer.py",
        "            async with self._workbench.pool.acquire() as connection, connection.transaction():\n"
        "                standing = await positions.stand(connection, self._cluster, extents)\n"
        "            # In this order: whatever is committed later than what is flushed here moves a position that we "
        "have read.\n"
        "            await self._workbench.relay.flush()\n",
        "            await self._workbench.relay.flush()\n"
        "            async with self._workbench.pool.acquire() as connection, connection.transaction():\n"
        "                standing = await positions.stand(connection, self._cluster, extents)\n",
        "a batch that the last owner commits meanwhile comes after its successor's: old dates overwrite new ones",
        (
            f"{_TESTS}/test_outbox.py::test_a_batch_committed_while_the_next_owner_looks_around_is_still_published_first",
        ),
    ),
    Bug(
        "two relays take the same row",
        f"{_RUNTIME}/queries.sql",
        "SELECT payload FROM outbox WHERE outbox_id = $1 AND published_at IS NULL FOR UPDATE;",
        "SELECT payload FROM outbox WHERE outbox_id = $1 AND published_at IS NULL;",
        "a batch is published by several workers at once, interleaved with the next one",
        (f"{_TESTS}/test_outbox.py::test_three_relays_at_once_publish_each_row_once_whole_and_in_order",),
    ),
    Bug(
        "the outbox is pruned while rows are pending",
        f"{_RUNTIME}/queries.sql",
        "AND published_at IS NOT NULL AND created_at < now()",
        "AND created_at < now()",
        "what was committed and not yet published is deleted: customers are missed for good",
        (f"{_TESTS}/test_retention.py::test_only_what_is_published_and_past_keeping_is_deleted",),
    ),
    Bug(
        "a negative hash is made positive by its absolute value",
        f"{_RUNTIME}/relay.py",
        "int(murmur2(key)) & 0x7FFFFFFF",
        "abs(int.from_bytes((int(murmur2(key)) & 0xFFFFFFFF).to_bytes(4), signed=True))",
        "half of all keys stand in another partition than Java's clients would choose: joins and order break",
        (f"{_TESTS}/test_publisher.py::test_a_key_goes_to_the_partition_that_javas_client_would_choose",),
    ),
    Bug(
        "the consumer swallows an error that it does not know",
        f"{_RUNTIME}/consumer.py",
        "        if meaning not in (Transient, Conflict):\n            raise error\n",
        "        if meaning not in (Transient, Conflict):\n"
        "            log.error('a batch failed', error=repr(error))\n"
        "            return\n",
        "a bug in a handler is tried again for ever, and nobody is told",
        (f"{_TESTS}/test_batches.py::test_a_bug_is_not_tried_again",),
    ),
    Bug(
        "the consumer does not go back after a failure",
        f"{_RUNTIME}/consumer.py",
        "meaning = classify(error)\n        self._unsure = True\n",
        "meaning = classify(error)\n",
        "the batch that was rolled back is passed over: its customers are missed",
        (f"{_TESTS}/test_retries.py::test_a_batch_whose_connection_is_cut_is_tried_again_and_effective_once",),
    ),
    Bug(
        "patience begins anew with every failure",
        f"{_RUNTIME}/consumer.py",
        "trouble_since = trouble_since or now\n",
        "trouble_since = now\n",
        "a consumer without its broker tries for ever, and no supervisor hears of it",
        (f"{_TESTS}/test_retries.py::test_a_consumer_without_a_broker_says_so_and_gives_up_after_its_patience",),
    ),
    Bug(
        "any error of a handler is taken for poison",
        f"{_RUNTIME}/handling.py",
        "if classify(error) is not Poison:\n            raise\n",
        "if classify(error) not in (Poison, None):\n            raise\n",
        "a bug in a deploy sets good customers aside instead of stopping",
        (
            f"{_TESTS}/test_poison.py"
            "::test_an_error_that_is_no_poison_sets_nothing_aside_when_messages_are_tried_one_by_one",
            f"{_TESTS}/test_batches.py::test_a_bug_is_not_tried_again",
        ),
    ),
    Bug(
        "the quarantine keeps text and not bytes",
        f"{_RUNTIME}/quarantine.py",
        "        [record.value for record in records],\n",
        '        [(record.value or b"").decode("utf-8", "replace").encode() for record in records],\n',
        "what was set aside cannot be mended: its bytes are gone",
        (
            f"{_TESTS}/test_poison.py"
            "::test_a_record_that_is_set_aside_keeps_its_bytes_in_the_table_and_on_the_dead_letter_topic",
        ),
    ),
    Bug(
        "poison in a row is counted batch by batch",
        f"{_RUNTIME}/quarantine.py",
        "        run = self.run\n",
        "        run = 0\n",
        "a bad deploy drains a topic of small batches into the quarantine",
        (f"{_UNIT}/test_limit.py::test_the_limit_in_a_row_halts_also_across_batches",),
    ),
    Bug(
        "a refusal quotes the value",
        f"{_RUNTIME}/envelope.py",
        "'value'}: {_discreet(p)}\"",
        "'value'}: {p['msg']} {p['input']!r}\"",
        "names and addresses stand in logs, in the quarantine's reasons and in headers of dead letters",
        (f"{_UNIT}/test_complaints.py::test_a_complaint_never_contains_the_value",),
    ),
    Bug(
        "running totals are overwritten by increments",
        f"{_RUNTIME}/queries.sql",
        "DO UPDATE SET total = tally.total + excluded.total\nRETURNING",
        "DO UPDATE SET total = excluded.total\nRETURNING",
        "`amends watch` and the board show a batch for the whole",
        (f"{_TESTS}/test_tally_and_bell.py::test_totals_run_on_from_batch_to_batch",),
    ),
    Bug(
        "anybody may republish",
        f"{_RUNTIME}/http.py",
        '@app.post("/republish", dependencies=[operator(token)])',
        '@app.post("/republish")',
        "whoever reaches the port makes a service send its whole outbox again",
        (f"{_TESTS}/test_service.py::test_republishing_needs_the_operators_token",),
    ),
)
