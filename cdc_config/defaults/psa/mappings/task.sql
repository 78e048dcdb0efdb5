-- Tasks of engagements.
SELECT t.tk_no                                                             AS key_tk_no,
       t.en_no                                                             AS ref_project__1,
       t.tk_no                                                             AS external_number,
       t.en_no                                                             AS project,
       COALESCE(NULLIF(TRIM(t.dsc_tx COLLATE utf8mb4_bin), ''), t.tk_no)   AS name,
       COALESCE(NULLIF(t.sta_cd, ''), 'O')                                 AS status,
       COALESCE(t.bil_flg, 'Y') = 'Y'                                      AS billable,
       t.pln_hrs                                                           AS planned_hours,
       t.rt                                                                AS hourly_rate
FROM tk AS t
