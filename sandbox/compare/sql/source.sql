-- The legacy side. Texts come trimmed, empty for NULL; dates as texts, because the old system may hold an infinite one.

-- name: money
-- Counts and money per company and currency. What is voided or deleted nets to nothing and is left out.
SELECT 'customer' AS entity, '' AS company, '' AS currency, count(*) AS n, 0::numeric AS amount FROM fin.arcust
WHERE coalesce(del_flg, ' ') <> 'Y' AND coalesce(act_flg, 'Y') = 'Y'
UNION ALL
SELECT 'customer_account', rtrim(a.co_cd), coalesce(nullif(rtrim(a.cur), ''), c.cur), count(*), 0
FROM fin.arcuco AS a LEFT JOIN fin.co AS c ON c.co_cd = a.co_cd
WHERE coalesce(a.del_flg, ' ') <> 'Y' GROUP BY 2, 3
UNION ALL
SELECT CASE WHEN sta_cd = 'P' THEN 'invoice posted' ELSE 'invoice draft' END, rtrim(co_cd), cur, count(*), sum(tot_am)
FROM fin.arinvh WHERE coalesce(del_flg, ' ') <> 'Y' AND coalesce(sta_cd, 'D') IN ('P', 'D', ' ') GROUP BY 1, 2, 3
UNION ALL
SELECT 'payment', rtrim(co_cd), cur, count(*), sum(pay_am)
FROM fin.arpay WHERE coalesce(del_flg, ' ') <> 'Y' GROUP BY 2, 3
UNION ALL
SELECT 'allocation', rtrim(p.co_cd), p.cur, count(*), sum(a.al_am)
FROM fin.arpay AS p JOIN fin.aralloc AS a ON a.co_cd = p.co_cd AND a.pay_no = p.pay_no
WHERE coalesce(p.del_flg, ' ') <> 'Y' AND coalesce(a.del_flg, ' ') <> 'Y' GROUP BY 2, 3

-- name: former_numbers
-- Every number that a living record had before, through any chain of renumberings.
WITH RECURSIVE chain AS (
    SELECT tab_id, co_cd, new_no AS current_no, old_no, his_no FROM fin.keyhis
    UNION
    SELECT c.tab_id, c.co_cd, c.current_no, h.old_no, h.his_no
    FROM chain AS c JOIN fin.keyhis AS h
      ON h.tab_id = c.tab_id AND h.co_cd IS NOT DISTINCT FROM c.co_cd AND h.new_no = c.old_no AND h.his_no < c.his_no
)
SELECT rtrim(tab_id), coalesce(rtrim(co_cd), ''), rtrim(current_no), rtrim(old_no) FROM chain ORDER BY his_no DESC

-- name: customers
SELECT rtrim(c.cust_no) AS number, coalesce(rtrim(c.prt_cust), '') AS parent,
       coalesce(nullif(trim(c.nm), ''), rtrim(c.cust_no)) AS name, coalesce(trim(c.tax_no), '') AS tax_number,
       coalesce(trim(c.eml), '') AS email, coalesce(trim(c.cty), '') AS city,
       CASE trim(c.ctry_cd) WHEN 'D' THEN 'DEU' WHEN 'GB' THEN 'GBR' WHEN 'CH' THEN 'CHE' WHEN 'F' THEN 'FRA'
                            WHEN 'NL' THEN 'NLD' ELSE coalesce(trim(c.ctry_cd), '') END AS country,
       coalesce((SELECT trim(s.txt) FROM fin.cdtab AS s WHERE s.tab_id = 'SEGM' AND s.cd = c.seg_cd), '') AS segment,
       coalesce(c.note_tx, '') AS note, CASE WHEN c.act_flg = 'N' THEN 'No' ELSE 'Yes' END AS active
FROM fin.arcust AS c
WHERE coalesce(c.del_flg, ' ') <> 'Y'

-- name: accounts
SELECT rtrim(a.co_cd) AS company, rtrim(a.cust_no) AS number, coalesce(nullif(rtrim(a.cur), ''), c.cur) AS currency,
       coalesce((SELECT rtrim(t.ext_cd) FROM fin.trms AS t WHERE t.trm_cd = a.trm_cd), '') AS terms,
       coalesce(a.cr_lim, 0) AS credit_limit, CASE WHEN a.hld_flg = 'Y' THEN 'Yes' ELSE 'No' END AS on_hold
FROM fin.arcuco AS a LEFT JOIN fin.co AS c ON c.co_cd = a.co_cd
WHERE coalesce(a.del_flg, ' ') <> 'Y'

-- name: invoices
SELECT rtrim(co_cd) AS company, rtrim(inv_no) AS number, rtrim(cust_no) AS customer, inv_dt::text AS invoice_date,
       coalesce(due_dt::text, '') AS due_date, cur AS currency, coalesce(nullif(sta_cd, ' '), 'D') AS status,
       tot_am AS total, coalesce(trim(ref_tx), '') AS reference, coalesce(note_tx, '') AS note
FROM fin.arinvh
WHERE coalesce(del_flg, ' ') <> 'Y'

-- name: invoice_lines
SELECT rtrim(l.co_cd) AS company, rtrim(l.inv_no) AS number, l.ln_no AS line, coalesce(trim(l.dsc_tx), '') AS description,
       coalesce(trim(l.itm_cd), '') AS item, l.qty AS quantity, l.prc AS price, l.am AS amount
FROM fin.arinvl AS l JOIN fin.arinvh AS h ON h.co_cd = l.co_cd AND h.inv_no = l.inv_no
WHERE coalesce(h.del_flg, ' ') <> 'Y' AND coalesce(h.sta_cd, 'D') <> 'V'

-- name: payments
SELECT rtrim(p.co_cd) AS company, rtrim(p.pay_no) AS number, rtrim(p.cust_no) AS customer, p.pay_dt::text AS paid_on,
       p.cur AS currency, p.pay_am AS amount,
       CASE trim(p.mth_cd) WHEN 'UE' THEN 'WIRE' WHEN 'SC' THEN 'CHECK' WHEN 'LS' THEN 'DEBIT'
                           ELSE coalesce(trim(p.mth_cd), '') END AS method
FROM fin.arpay AS p
WHERE coalesce(p.del_flg, ' ') <> 'Y'

-- name: allocations
SELECT rtrim(co_cd) AS company, rtrim(pay_no) AS payment, rtrim(inv_no) AS invoice, al_am AS amount
FROM fin.aralloc
WHERE coalesce(del_flg, ' ') <> 'Y'
