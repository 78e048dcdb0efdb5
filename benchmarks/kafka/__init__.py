"""What capture through Kafka costs beside the direct one, how late it is, and how long a killed worker silences it."""
