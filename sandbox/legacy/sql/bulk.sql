-- Bulk work for benches, done inside the server so that the generator itself costs little.

-- name: create
DROP SCHEMA IF EXISTS fin_tool CASCADE;
CREATE SCHEMA fin_tool;
CREATE UNLOGGED TABLE fin_tool.keys (n bigint PRIMARY KEY, cust_no char(12) NOT NULL);
CREATE PROCEDURE fin_tool.update_customers(
    transactions bigint, rows_each int, highest bigint, INOUT changed bigint) LANGUAGE plpgsql AS $$
-- Uniform keys, no key twice in one transaction; the transaction's number makes every written name a new one.
DECLARE
    total bigint := (SELECT count(*) FROM fin_tool.keys);
    touched bigint;
BEGIN
    changed := 0;
    FOR t IN 1 .. transactions LOOP
        UPDATE fin.arcust AS c
        SET nm = 'Bulk ' || pg_current_xact_id(), cty = 'Ort ' || t % 9973, upd_ts = localtimestamp
        FROM fin_tool.keys AS k
        WHERE c.cust_no = k.cust_no
          AND k.n = ANY (ARRAY(SELECT DISTINCT floor(random() * total)::bigint FROM generate_series(1, rows_each)));
        GET DIAGNOSTICS touched = ROW_COUNT;
        changed := changed + touched;
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE fin_tool.insert_customers(
    transactions bigint, rows_each int, highest bigint, INOUT changed bigint) LANGUAGE plpgsql AS $$
-- `highest` is the highest number there is.
BEGIN
    changed := 0;
    FOR t IN 1 .. transactions LOOP
        INSERT INTO fin.arcust (cust_no, nm, tax_no, eml, cty, ctry_cd, seg_cd)
        SELECT 'B' || lpad((highest + (t - 1) * rows_each + i)::text, 11, '0'), 'Bulk ' || t || '-' || i,
               'T' || lpad(t::text, 9, '0'), NULL, 'Ort ' || t % 9973, 'D', 'SMB'
        FROM generate_series(1, rows_each) AS i;
        changed := changed + rows_each;
        COMMIT;
    END LOOP;
END $$;

-- name: read_keys
TRUNCATE fin_tool.keys;
INSERT INTO fin_tool.keys (n, cust_no)
SELECT row_number() OVER (ORDER BY cust_no) - 1, cust_no FROM fin.arcust WHERE coalesce(del_flg, ' ') <> 'Y';
ANALYZE fin_tool.keys;

-- name: highest
SELECT coalesce(max(substr(cust_no, 2)::bigint), 0) FROM fin.arcust WHERE cust_no LIKE 'B___________'

-- name: huge_update
UPDATE fin.arcust SET cty = %(city)s, upd_ts = localtimestamp
WHERE cust_no = ANY (ARRAY(SELECT cust_no FROM fin.arcust ORDER BY cust_no LIMIT %(rows)s))

-- name: huge_unmapped
INSERT INTO fin.wrkprt (job_no, doc_no, usr_id, dat_tx)
SELECT %(first)s + i, 'R25-' || lpad(i::text, 7, '0'), 'BATCH', 'huge' FROM generate_series(1, %(rows)s) AS i
