"""A real Kafka on one machine: its jars, one node in KRaft mode, and the topics."""
