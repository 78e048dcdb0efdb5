-- Engagements. The customer is the finance system's number, mended as far as it can be: blanks, dashes and case.
SELECT e.en_no                                                             AS key_en_no,
       e.en_no                                                             AS external_number,
       e.cl_no                                                             AS client,
       NULLIF(UPPER(REPLACE(TRIM(c.fin_no), '-', '')), '')                 AS customer,
       COALESCE(NULLIF(TRIM(e.nm COLLATE utf8mb4_bin), ''), e.en_no)       AS name,
       COALESCE(NULLIF(e.sta_cd, ''), 'P')                                 AS status,
       COALESCE(NULLIF(e.typ_cd, ''), 'T')                                 AS billing,
       e.pm_no                                                             AS manager,
       NULLIF(e.cur, '')                                                   AS currency,
       e.bud_hrs                                                           AS budget_hours,
       e.bud_am                                                            AS budget_amount,
       e.st_dt                                                             AS start_date,
       e.en_dt                                                             AS end_date,
       COALESCE(e.conf, 0) = 1                                             AS confidential,
       e.note_tx                                                           AS note
FROM en AS e
JOIN cl AS c ON c.cl_no = e.cl_no
