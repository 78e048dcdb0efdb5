-- The initial book, set by set. pg_temp.h(salt, i, n) is a hash of (seed, salt, i) below n, so the same seed gives the
-- same book. {customers}, {invoices} and {seed} are integers that the loader puts in. Every fifth customer never has a document, so that it can be deleted.

-- name: companies
INSERT INTO fin.co (co_cd, nm, cur, ctry_cd, st_flg, tax_reg, fy_st_mo)
VALUES ('DE01', 'Hollmann Beratung GmbH', 'EUR', 'D', 'A', 'DE811234567', 1),
       ('US01', 'Hollmann Advisory Inc.', 'USD', 'USA', 'A', '12-3456789', 1),
       ('GB01', 'Hollmann Consulting Ltd', 'GBP', 'GB', NULL, NULL, NULL);

-- name: periods
INSERT INTO fin.glper (co_cd, yr, per, st_dt, en_dt, sta)
SELECT c.co_cd, y, p, make_date(y, p, 1), (make_date(y, p, 1) + interval '1 month - 1 day')::date,
       CASE WHEN y < 2026 THEN 'C' WHEN y = 2026 AND p < 4 THEN 'S' ELSE 'O' END
FROM fin.co AS c, generate_series(2025, 2027) AS y, generate_series(1, 12) AS p;

-- name: codes
INSERT INTO fin.cdtab (tab_id, cd, txt, srt, act_flg, old_cd)
VALUES ('SEGM', 'ENT', 'Enterprise', 10, 'Y', '01'),
       ('SEGM', 'MID', 'Mid-market', 20, 'Y', '02'),
       ('SEGM', 'SMB', 'Small business', 30, 'Y', '03'),
       ('SEGM', 'PUB', 'Public sector', 40, NULL, '04'),
       ('SEGM', 'NGO', 'Non-profit', 50, 'Y', NULL),
       ('SEGM', 'OLD', '', 90, 'N', '99'),
       ('PAYM', 'UE', 'Wire transfer', 10, 'Y', NULL),
       ('PAYM', 'SC', 'Cheque', 20, 'Y', NULL),
       ('PAYM', 'LS', 'Direct debit', 30, 'Y', NULL),
       ('CTRY', 'D', 'Deutschland', 10, 'Y', NULL),
       ('CTRY', 'USA', 'Vereinigte Staaten', 20, 'Y', NULL),
       ('CTRY', 'GB', 'Großbritannien', 30, 'Y', NULL),
       ('CTRY', 'CH', 'Schweiz', 40, 'Y', NULL),
       ('CTRY', 'F', 'Frankreich', 50, 'Y', NULL),
       ('CTRY', 'NL', 'Niederlande', 60, 'Y', NULL);

-- name: terms
INSERT INTO fin.trms (trm_cd, dys, txt, ext_cd, dsc_pct, dsc_dys)
VALUES ('N000', 0, 'sofort', 'COD', NULL, NULL),
       ('N014', 14, '14 Tage netto', 'Net14', NULL, NULL),
       ('N030', 30, '30 Tage netto', 'Net30', NULL, NULL),
       ('S210', 30, '30 Tage, 10 Tage 2 %', 'Net30', 2.00, 10),
       ('N060', 60, '60 Tage netto', 'Net60', NULL, NULL);

-- name: customers
INSERT INTO fin.arcust (cust_no, prt_cust, nm, tax_no, eml, cty, ctry_cd, seg_cd, note_tx, act_flg, del_flg, fax_no, ins_dt)
SELECT pg_temp.cust_no(i),
       CASE WHEN i = 11 THEN pg_temp.cust_no(11)
            WHEN i = 12 THEN pg_temp.cust_no(13)
            WHEN i = 13 THEN pg_temp.cust_no(12)
            WHEN i > 20 AND pg_temp.h(1, i, 10) = 0 THEN pg_temp.cust_no(1 + 5 * pg_temp.h(2, i, i / 5))
       END,
       (ARRAY['Adler', 'Brandt', 'Çelik', 'Dubois', 'Eriksson', 'Fürst', 'Groß', 'Harper', 'Ibsen', 'Jäger', 'Kowalski',
              'Lindqvist', 'Møller', 'Núñez', 'O''Brien', 'Petrov'])[1 + pg_temp.h(3, i, 16)]
           || ' ' || (ARRAY['& Söhne', 'Werke AG', 'Logistics', 'Systems', 'Holding', 'Maschinenbau', 'Pharma', 'Energy'])
           [1 + pg_temp.h(4, i, 8)] || ' ' || i,
       CASE WHEN pg_temp.h(5, i, 4) > 0 THEN 'T' || lpad(pg_temp.h(6, i, 1000000000)::text, 9, '0') END,
       CASE pg_temp.h(7, i, 5) WHEN 0 THEN NULL WHEN 1 THEN ' ' ELSE 'ap' || i || '@customer.example' END,
       (ARRAY['Köln', 'Zürich', 'Leeds', 'Boston', 'Lyon', 'Utrecht', 'Bern', NULL])[1 + pg_temp.h(8, i, 8)],
       (ARRAY['D', 'CH', 'GB', 'USA', 'F', 'NL', 'D', NULL])[1 + pg_temp.h(9, i, 8)],
       (ARRAY['ENT', 'MID', 'SMB', 'PUB', 'NGO', 'OLD', 'SMB', NULL])[1 + pg_temp.h(10, i, 8)],
       CASE WHEN pg_temp.h(11, i, 25) = 0 THEN repeat(md5(i::text), 80 + pg_temp.h(12, i, 80)::int)
            WHEN pg_temp.h(11, i, 3) = 0 THEN 'Anlage ' || i END,
       CASE pg_temp.h(13, i, 20) WHEN 0 THEN 'N' WHEN 1 THEN NULL ELSE 'Y' END,
       CASE WHEN i % 5 = 0 AND pg_temp.h(14, i, 10) = 0 THEN 'Y' WHEN pg_temp.h(14, i, 7) = 0 THEN NULL ELSE ' ' END,
       CASE WHEN pg_temp.h(15, i, 3) = 0 THEN '+49 221 ' || pg_temp.h(16, i, 100000) END,
       date '2001-03-01' + pg_temp.h(17, i, 8000)::int
FROM generate_series(1, {customers}::bigint) AS i;

-- name: accounts
INSERT INTO fin.arcuco (co_cd, cust_no, trm_cd, cr_lim, cur, hld_flg, del_flg, dun_lvl)
SELECT pg_temp.co_of(i, k), pg_temp.cust_no(i),
       (ARRAY['N000', 'N014', 'N030', 'S210', 'N060', NULL])[1 + pg_temp.h(20, i * 2 + k, 6)],
       CASE WHEN pg_temp.h(21, i * 2 + k, 3) > 0 THEN 1000 * pg_temp.h(22, i * 2 + k, 500) END,
       pg_temp.cur_of(i, k),
       (ARRAY['N', 'N', 'N', 'N', 'Y', NULL])[1 + pg_temp.h(23, i * 2 + k, 6)],
       CASE WHEN i % 5 = 0 AND pg_temp.h(14, i, 10) = 0 THEN 'Y' ELSE ' ' END,
       pg_temp.h(24, i, 4)
FROM generate_series(1, {customers}::bigint) AS i, generate_series(0, 1) AS k
WHERE k = 0 OR pg_temp.h(25, i, 10) < 3;

-- name: invoice_lines
INSERT INTO fin.arinvl (co_cd, inv_no, ln_no, itm_cd, dsc_tx, qty, prc, am)
SELECT pg_temp.co_of(pg_temp.inv_cust(i, {customers}), 0), pg_temp.inv_no(i), ln,
       (ARRAY['CONS-SR', 'CONS-JR', 'TRAVEL', 'FIXED', NULL])[1 + pg_temp.h(30, i * 10 + ln, 5)],
       (ARRAY['Beratung', 'Travel', 'Senior consultant, on site', 'Workshop', NULL])[1 + pg_temp.h(31, i * 10 + ln, 5)],
       v.qty, v.prc, round(v.qty * v.prc, 2)
FROM generate_series(1, {invoices}::bigint) AS i,
     generate_series(1, (1 + pg_temp.h(32, i, 5))::int) AS ln,
     LATERAL (SELECT (1 + pg_temp.h(33, i * 10 + ln, 160)) * 0.25 AS qty,
                     (1000 + pg_temp.h(34, i * 10 + ln, 20000)) / 100.0 AS prc) AS v;

-- name: invoices
INSERT INTO fin.arinvh (co_cd, inv_no, cust_no, inv_dt, due_dt, cur, sta_cd, tot_am, ref_tx, note_tx, del_flg, prt_cnt)
SELECT pg_temp.co_of(c.i, 0), pg_temp.inv_no(i.i), pg_temp.cust_no(c.i), d.dt, d.dt + 14 * pg_temp.h(40, i.i, 5)::int,
       pg_temp.cur_of(c.i, 0), d.sta, t.am,
       (ARRAY['', 'PO 4711', 'PO ' || i.i, '   ', NULL])[1 + pg_temp.h(42, i.i, 5)],
       CASE WHEN pg_temp.h(43, i.i, 40) = 0 THEN repeat(md5(i.i::text), 90) END,
       CASE WHEN d.sta = 'D' AND pg_temp.h(44, i.i, 15) = 0 THEN 'Y' ELSE ' ' END,
       pg_temp.h(45, i.i, 3)
FROM generate_series(1, {invoices}::bigint) AS i
JOIN (SELECT inv_no, sum(am) AS am FROM fin.arinvl GROUP BY inv_no) AS t ON t.inv_no = pg_temp.inv_no(i.i)
CROSS JOIN LATERAL (SELECT pg_temp.inv_cust(i.i, {customers}) AS i) AS c
CROSS JOIN LATERAL (SELECT CASE WHEN pg_temp.h(41, i.i, 100) < 15 THEN 'D' WHEN pg_temp.h(41, i.i, 100) < 95 THEN 'P'
                                ELSE 'V' END AS sta) AS s
CROSS JOIN LATERAL (SELECT s.sta, CASE WHEN s.sta = 'D' THEN date '2026-06-30' - pg_temp.h(46, i.i, 30)::int
                                       ELSE date '2026-06-30' - 30 - pg_temp.h(46, i.i, 480)::int END AS dt) AS d;

-- name: allocations
-- Up to two posted invoices of a customer are paid together; three of four such groups are.
INSERT INTO fin.aralloc (co_cd, pay_no, inv_no, al_am, al_dt)
SELECT co_cd, 'Z' || lpad(dense_rank() OVER (ORDER BY co_cd, cust_no, cur, grp)::text, 8, '0'), inv_no,
       CASE WHEN grp % 7 = 3 THEN round(tot_am / 2, 2) ELSE tot_am END, date '2026-06-30' - 10
FROM (SELECT *, (row_number() OVER (PARTITION BY co_cd, cust_no, cur ORDER BY inv_no) - 1) / 2 AS grp
      FROM fin.arinvh WHERE sta_cd = 'P' AND tot_am > 0) AS p
WHERE pg_temp.h(50, hashtext(cust_no) + grp, 4) > 0;

-- name: payments
INSERT INTO fin.arpay (co_cd, pay_no, cust_no, pay_dt, cur, pay_am, mth_cd, ref_tx)
SELECT a.co_cd, a.pay_no, min(h.cust_no), min(a.al_dt), min(h.cur),
       sum(a.al_am) + CASE WHEN pg_temp.h(51, hashtext(a.pay_no), 6) = 0 THEN 100 ELSE 0 END,
       (ARRAY['UE', 'SC', 'LS', NULL])[1 + pg_temp.h(52, hashtext(a.pay_no), 4)],
       (ARRAY['Sammelzahlung', '', NULL])[1 + pg_temp.h(53, hashtext(a.pay_no), 3)]
FROM fin.aralloc AS a JOIN fin.arinvh AS h USING (co_cd, inv_no)
GROUP BY a.co_cd, a.pay_no;

-- name: unmapped
INSERT INTO fin.wrkprt (job_no, doc_no, usr_id, dat_tx)
SELECT i, pg_temp.inv_no(i), 'BATCH', 'job ' || i FROM generate_series(1, 10) AS i;

-- name: audit
INSERT INTO fin.audlog (usr_id, act_cd, txt) VALUES ('SYSTEM', 'LOAD', 'initial book');

-- name: forget_helpers
DROP FUNCTION IF EXISTS pg_temp.h(bigint, bigint, bigint), pg_temp.cust_no(bigint), pg_temp.inv_no(bigint),
    pg_temp.inv_cust(bigint, bigint), pg_temp.co_of(bigint, bigint), pg_temp.cur_of(bigint, bigint) CASCADE;

-- name: helpers
CREATE FUNCTION pg_temp.h(salt bigint, i bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (hashint8extended(i, salt * 1000003 + {seed}) & 4611686018427387903) % greatest(n, 1);
CREATE FUNCTION pg_temp.cust_no(i bigint) RETURNS char(12) LANGUAGE sql IMMUTABLE RETURN 'C' || lpad(i::text, 8, '0');
CREATE FUNCTION pg_temp.inv_no(i bigint) RETURNS char(14) LANGUAGE sql IMMUTABLE RETURN 'R25-' || lpad(i::text, 7, '0');
CREATE FUNCTION pg_temp.inv_cust(i bigint, customers bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN 5 * pg_temp.h(60, i, customers / 5) + 1 + pg_temp.h(61, i, 4);
CREATE FUNCTION pg_temp.co_of(i bigint, k bigint) RETURNS char(4) LANGUAGE sql IMMUTABLE
    RETURN (ARRAY['DE01', 'US01', 'GB01'])[1 + (pg_temp.h(62, i, 3) + k) % 3];
CREATE FUNCTION pg_temp.cur_of(i bigint, k bigint) RETURNS char(3) LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN pg_temp.h(63, i * 2 + k, 5) = 0 THEN 'USD'
                ELSE (ARRAY['EUR', 'USD', 'GBP'])[1 + (pg_temp.h(62, i, 3) + k) % 3] END;

-- name: counts
SELECT 'co' AS tab, count(*) FROM fin.co UNION ALL SELECT 'arcust', count(*) FROM fin.arcust
UNION ALL SELECT 'arcuco', count(*) FROM fin.arcuco UNION ALL SELECT 'arinvh', count(*) FROM fin.arinvh
UNION ALL SELECT 'arinvl', count(*) FROM fin.arinvl UNION ALL SELECT 'arpay', count(*) FROM fin.arpay
UNION ALL SELECT 'aralloc', count(*) FROM fin.aralloc UNION ALL SELECT 'glper', count(*) FROM fin.glper
UNION ALL SELECT 'cdtab', count(*) FROM fin.cdtab UNION ALL SELECT 'trms', count(*) FROM fin.trms
UNION ALL SELECT 'wrkprt', count(*) FROM fin.wrkprt
