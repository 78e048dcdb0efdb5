"""MariaDB's dialect: each construct by a rule that was compared with a MariaDB, or refused."""
