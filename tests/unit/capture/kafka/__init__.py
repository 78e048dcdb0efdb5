"""Tests of the capture through Kafka that need no Kafka."""
