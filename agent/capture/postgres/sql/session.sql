-- How a session of ours prints values: the same in the walsender and in the snapshot, whatever the server's defaults are.

-- name: print_values
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SET timezone = 'UTC';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
SET lc_monetary = 'C';
SET quote_all_identifiers = off;
SET search_path = pg_catalog;
SET row_security = off;
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = '10s';
