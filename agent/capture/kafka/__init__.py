"""Capture through Kafka: what Debezium tells of a source, assembled into its transactions."""
