"""Tests of the capture through Kafka over real brokers, workers and databases."""
