-- What the generator reads of an existing book. char(n) texts come back without their padding.

-- name: customers
SELECT rtrim(c.cust_no), rtrim(c.prt_cust),
       EXISTS (SELECT FROM fin.arinvh AS h WHERE h.cust_no = c.cust_no)
           OR EXISTS (SELECT FROM fin.arpay AS p WHERE p.cust_no = c.cust_no),
       coalesce(c.del_flg, ' ') = 'Y',
       EXISTS (SELECT FROM fin.arcust AS k WHERE k.prt_cust = c.cust_no)
FROM fin.arcust AS c
ORDER BY md5(c.cust_no || %(seed)s), c.cust_no
LIMIT %(limit)s

-- name: accounts
SELECT rtrim(co_cd), rtrim(cust_no), cur FROM fin.arcuco
WHERE cust_no = ANY (%(customers)s::bpchar[]) AND coalesce(del_flg, ' ') <> 'Y'
ORDER BY co_cd, cust_no

-- name: invoices
SELECT rtrim(h.co_cd), rtrim(h.inv_no), rtrim(h.cust_no), h.cur, h.sta_cd,
       ARRAY(SELECT l.ln_no FROM fin.arinvl AS l WHERE l.co_cd = h.co_cd AND l.inv_no = h.inv_no ORDER BY l.ln_no),
       EXISTS (SELECT FROM fin.aralloc AS a WHERE a.co_cd = h.co_cd AND a.inv_no = h.inv_no)
FROM fin.arinvh AS h
WHERE h.cust_no = ANY (%(customers)s::bpchar[]) AND h.sta_cd <> 'V' AND coalesce(h.del_flg, ' ') <> 'Y'
  AND h.inv_dt < date '2100-01-01'
ORDER BY h.co_cd, h.inv_no DESC
LIMIT %(limit)s

-- name: payments
SELECT rtrim(p.co_cd), rtrim(p.pay_no), rtrim(p.cust_no), p.cur, p.pay_am - coalesce(a.total, 0),
       coalesce(a.numbers, '{}'), coalesce(a.amounts, '{}')
FROM fin.arpay AS p
LEFT JOIN LATERAL (
    SELECT sum(al_am) AS total, array_agg(rtrim(inv_no) ORDER BY inv_no) AS numbers,
           array_agg(al_am ORDER BY inv_no) AS amounts
    FROM fin.aralloc AS a
    WHERE a.co_cd = p.co_cd AND a.pay_no = p.pay_no AND coalesce(a.del_flg, ' ') <> 'Y'
) AS a ON true
WHERE p.cust_no = ANY (%(customers)s::bpchar[]) AND coalesce(p.del_flg, ' ') <> 'Y'
ORDER BY p.co_cd, p.pay_no DESC
LIMIT %(limit)s

-- name: counters
-- A number that a renumbering set free is never given out again, hence the look at the history.
SELECT 'N', coalesce(max(substr(no, 2)::bigint), 0)
FROM (SELECT rtrim(cust_no) AS no FROM fin.arcust UNION ALL SELECT rtrim(old_no) FROM fin.keyhis) AS a WHERE no LIKE 'N%%'
UNION ALL
SELECT 'R', coalesce(max(substr(no, 2)::bigint), 0)
FROM (SELECT rtrim(cust_no) AS no FROM fin.arcust UNION ALL SELECT rtrim(old_no) FROM fin.keyhis WHERE tab_id = 'ARCUST') AS b
WHERE no LIKE 'R%%'
UNION ALL
SELECT 'R26-', coalesce(max(substr(no, 5)::bigint), 0)
FROM (SELECT rtrim(inv_no) AS no FROM fin.arinvh UNION ALL SELECT rtrim(old_no) FROM fin.keyhis) AS c WHERE no LIKE 'R26-%%'
UNION ALL
SELECT 'R27-', coalesce(max(substr(no, 5)::bigint), 0)
FROM (SELECT rtrim(inv_no) AS no FROM fin.arinvh UNION ALL SELECT rtrim(old_no) FROM fin.keyhis) AS d WHERE no LIKE 'R27-%%'
UNION ALL
SELECT 'Y', coalesce(max(substr(rtrim(pay_no), 2)::bigint), 0) FROM fin.arpay WHERE pay_no LIKE 'Y%%'
