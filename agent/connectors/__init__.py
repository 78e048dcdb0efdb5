"""Kafka Connect: its REST interface, what a connector's status means, and when a failed task is started again."""
