"""The native stack: Kafka, Kafka Connect with Debezium, MariaDB and what watches them, as ordinary processes on loopback.

No Docker and no root: Java 17 and Maven bring Kafka, the rest are system packages. Every server ends with the Python
process that started it.
"""
