-- The PSA side (MariaDB). Texts come trimmed, empty for NULL; codes in the ERP's words; dates as texts.

-- name: totals
-- Counts with money or hours ("h"), by what they are.
SELECT 'project' AS entity, COALESCE(cur, '') AS unit, COUNT(*) AS n, COALESCE(SUM(bud_am), 0) AS amount FROM en GROUP BY 2
UNION ALL
SELECT 'task', 'h', COUNT(*), COALESCE(SUM(pln_hrs), 0) FROM tk
UNION ALL
SELECT CONCAT('time sheet ', CASE h.sta_cd WHEN 'S' THEN 'submitted' WHEN 'A' THEN 'approved' WHEN 'R' THEN 'rejected' ELSE 'draft' END),
       'h', COUNT(DISTINCT h.ts_id), COALESCE(SUM(l.hrs), 0)
FROM tsh AS h LEFT JOIN tsl AS l ON l.ts_id = h.ts_id GROUP BY 1
UNION ALL
SELECT CASE WHEN bil = 0 THEN 'time line free' ELSE 'time line billable' END, 'h', COUNT(*), SUM(hrs) FROM tsl GROUP BY 1

-- name: former_numbers
-- Every number that a record had before, through any chain of renumberings.
WITH RECURSIVE chain AS (
    SELECT tab_cd, new_no AS current_no, old_no, his_no FROM numhis
    UNION
    SELECT c.tab_cd, c.current_no, h.old_no, h.his_no
    FROM chain AS c JOIN numhis AS h ON h.tab_cd = c.tab_cd AND h.new_no = c.old_no AND h.his_no < c.his_no
)
SELECT tab_cd, current_no, old_no FROM chain ORDER BY his_no DESC

-- name: projects
SELECT e.en_no AS number, CASE WHEN TRIM(COALESCE(e.nm, '')) = '' THEN e.en_no ELSE TRIM(e.nm) END AS name, e.cl_no AS client,
       COALESCE(UPPER(REPLACE(TRIM(c.fin_no), '-', '')), '') AS customer,
       CASE e.sta_cd WHEN 'A' THEN 'InProcess' WHEN 'H' THEN 'OnHold' WHEN 'C' THEN 'Finished' ELSE 'Created' END AS stage,
       CASE e.typ_cd WHEN 'F' THEN 'FixedPrice' ELSE 'TimeAndMaterial' END AS type, COALESCE(e.pm_no, '') AS manager,
       COALESCE(e.cur, '') AS currency, COALESCE(e.bud_hrs, 0) AS budget_hours, COALESCE(e.bud_am, 0) AS budget_amount,
       COALESCE(CAST(e.st_dt AS CHAR), '') AS start_date, COALESCE(CAST(e.en_dt AS CHAR), '') AS end_date,
       CASE WHEN e.conf = b'1' THEN 'Yes' ELSE 'No' END AS confidential, COALESCE(e.note_tx, '') AS note
FROM en AS e JOIN cl AS c ON c.cl_no = e.cl_no

-- name: tasks
SELECT tk_no AS number, en_no AS project, CASE WHEN TRIM(COALESCE(dsc_tx, '')) = '' THEN tk_no ELSE TRIM(dsc_tx) END AS name,
       CASE sta_cd WHEN 'C' THEN 'Closed' ELSE 'Open' END AS state, CASE bil_flg WHEN 'N' THEN 'No' ELSE 'Yes' END AS billable,
       COALESCE(pln_hrs, 0) AS planned_hours, COALESCE(rt, 0) AS rate
FROM tk

-- name: sheets
SELECT CAST(h.ts_id AS CHAR) AS number, h.en_no AS project, h.cn_no AS consultant, CAST(h.wk_dt AS CHAR) AS week,
       CASE h.sta_cd WHEN 'S' THEN 'Submitted' WHEN 'A' THEN 'Approved' WHEN 'R' THEN 'Rejected' ELSE 'Draft' END AS status,
       COALESCE(h.apr_no, '') AS approver, COALESCE(h.note_tx, '') AS note,
       (SELECT COALESCE(SUM(l.hrs), 0) FROM tsl AS l WHERE l.ts_id = h.ts_id) AS hours
FROM tsh AS h

-- name: sheet_lines
SELECT CAST(l.ts_id AS CHAR) AS number, l.ln_no AS line, COALESCE(l.tk_no, '') AS task, COALESCE(CAST(l.wrk_dt AS CHAR), '') AS day,
       l.hrs AS hours, COALESCE(l.rt, t.rt, 0) AS rate, CASE WHEN l.bil = 0 THEN 'No' ELSE 'Yes' END AS billable,
       COALESCE(l.txt, '') AS description
FROM tsl AS l LEFT JOIN tk AS t ON t.tk_no = l.tk_no
