-- What the generator reads of an existing book.

-- name: clients
SELECT cl_no FROM cl ORDER BY MD5(CONCAT(cl_no, %(seed)s)), cl_no LIMIT %(limit)s

-- name: engagements
SELECT e.en_no, e.cl_no, e.sta_cd, EXISTS (SELECT 1 FROM tsh AS h WHERE h.en_no = e.en_no)
FROM en AS e WHERE e.cl_no IN %(clients)s ORDER BY e.en_no

-- name: tasks
SELECT t.tk_no, t.en_no FROM tk AS t JOIN en AS e ON e.en_no = t.en_no WHERE e.cl_no IN %(clients)s ORDER BY t.tk_no

-- name: sheets
SELECT h.ts_id, h.en_no, h.sta_cd FROM tsh AS h JOIN en AS e ON e.en_no = h.en_no
WHERE e.cl_no IN %(clients)s ORDER BY h.ts_id DESC LIMIT %(limit)s

-- name: lines
SELECT ts_id, ln_no, tk_no FROM tsl WHERE ts_id IN %(sheets)s ORDER BY ts_id, ln_no

-- name: consultants
SELECT cn_no FROM cn ORDER BY cn_no LIMIT 200

-- name: counters
-- A number that a renumbering set free is never given out again, hence the look at the history.
SELECT 'K', COALESCE(MAX(CAST(SUBSTRING(no, 2) AS UNSIGNED)), 0)
FROM (SELECT cl_no AS no FROM cl UNION ALL SELECT old_no FROM numhis WHERE tab_cd = 'CL') AS k
UNION ALL
SELECT 'E', COALESCE(MAX(CAST(SUBSTRING(no, 2, 6) AS UNSIGNED)), 0)
FROM (SELECT en_no AS no FROM en UNION ALL SELECT old_no FROM numhis WHERE tab_cd = 'EN' UNION ALL SELECT tk_no FROM tk) AS e
UNION ALL
SELECT 'T', COALESCE(MAX(CAST(SUBSTRING(no, 2) AS UNSIGNED)), 0)
FROM (SELECT tk_no AS no FROM tk UNION ALL SELECT old_no FROM numhis WHERE tab_cd = 'TK') AS t WHERE no LIKE 'T%%'
UNION ALL
SELECT 'S', COALESCE(MAX(CAST(no AS UNSIGNED)), 0)
FROM (SELECT CAST(ts_id AS CHAR) AS no FROM tsh UNION ALL SELECT old_no FROM numhis WHERE tab_cd = 'TS') AS s
