"""The metrics that every service has; a service adds its own to the same registry.

Names start with `amends_`, units are seconds and counts, times are timestamps rather than ages, and no label
holds a customer.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BATCH_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_RECORDS = (1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 50_000)


class Metrics:
    """One process's metrics, in a registry of their own so that tests can have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter(
            "amends_records_consumed", "Records read and committed", ["topic"], registry=self.registry
        )
        self.quarantined = Counter(
            "amends_records_quarantined", "Records set aside as poison", ["topic"], registry=self.registry
        )
        self.mended = Counter(
            "amends_records_mended",
            "Records of the quarantine that were tried again (applied, refused) or dropped",
            ["topic", "result"],
            registry=self.registry,
        )
        self.quarantine = Gauge(
            "amends_quarantine_records",
            "Records in the service's quarantine by state, counted when the metrics are asked for",
            ["state"],
            registry=self.registry,
        )
        self.published = Counter(
            "amends_records_published",
            "Records acknowledged by the broker",
            ["topic"],
            registry=self.registry,
        )
        self.retries = Counter(
            "amends_batch_retries",
            "Batches rolled back and tried again",
            ["error"],
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "amends_batch_seconds",
            "Time from reading a batch to its commit",
            buckets=_BATCH_SECONDS,
            registry=self.registry,
        )
        self.batch_records = Histogram(
            "amends_batch_records", "Records in a batch", buckets=_BATCH_RECORDS, registry=self.registry
        )
        self.lag = Gauge(
            "amends_consumer_lag_records",
            "Records in the log behind this worker's position",
            ["topic", "partition"],
            registry=self.registry,
        )
        self.halted = Gauge(
            "amends_consumer_halted",
            "1 while the consumer stands still because too much was set aside",
            registry=self.registry,
        )
        self.last_processed = Gauge(
            "amends_last_processed_timestamp_seconds",
            "When the last batch was committed",
            registry=self.registry,
        )
