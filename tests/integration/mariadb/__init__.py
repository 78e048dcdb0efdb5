"""What is asked of a real MariaDB."""
