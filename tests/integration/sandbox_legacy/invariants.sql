-- What the old system keeps true at every commit. Each statement yields violations.

-- name: total_is_sum_of_lines
SELECT h.co_cd, h.inv_no FROM fin.arinvh AS h
LEFT JOIN (SELECT co_cd, inv_no, sum(am) AS am FROM fin.arinvl GROUP BY co_cd, inv_no) AS l USING (co_cd, inv_no)
WHERE h.tot_am IS DISTINCT FROM coalesce(l.am, 0)

-- name: no_line_without_header
SELECT l.co_cd, l.inv_no FROM fin.arinvl AS l LEFT JOIN fin.arinvh AS h USING (co_cd, inv_no) WHERE h.inv_no IS NULL

-- name: allocations_only_to_posted_invoices
SELECT a.co_cd, a.inv_no FROM fin.aralloc AS a LEFT JOIN fin.arinvh AS h USING (co_cd, inv_no)
WHERE h.sta_cd IS DISTINCT FROM 'P' OR h.del_flg = 'Y'

-- name: allocations_never_above_payment
SELECT p.co_cd, p.pay_no FROM fin.aralloc AS a LEFT JOIN fin.arpay AS p USING (co_cd, pay_no)
GROUP BY p.co_cd, p.pay_no, p.pay_am HAVING sum(a.al_am) > p.pay_am OR p.pay_no IS NULL

-- name: due_after_invoice
SELECT co_cd, inv_no FROM fin.arinvh WHERE due_dt < inv_dt

-- name: documents_have_an_account
SELECT d.co_cd, d.cust_no FROM (SELECT co_cd, cust_no FROM fin.arinvh UNION SELECT co_cd, cust_no FROM fin.arpay) AS d
LEFT JOIN fin.arcuco AS a USING (co_cd, cust_no) WHERE a.cust_no IS NULL OR a.del_flg = 'Y'

-- name: accounts_have_a_customer
SELECT a.co_cd, a.cust_no FROM fin.arcuco AS a LEFT JOIN fin.arcust AS c USING (cust_no)
WHERE c.cust_no IS NULL OR (c.del_flg = 'Y' AND a.del_flg IS DISTINCT FROM 'Y')

-- name: parents_exist
SELECT c.cust_no FROM fin.arcust AS c LEFT JOIN fin.arcust AS p ON p.cust_no = c.prt_cust
WHERE c.prt_cust IS NOT NULL AND c.del_flg IS DISTINCT FROM 'Y' AND (p.cust_no IS NULL OR p.del_flg = 'Y')
