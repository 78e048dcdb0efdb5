-- Time sheets with their lines. A line without a rate of its own has its task's; one whose task was deleted has no task.
-- ref_lines__task__1 runs along with lines: the key of the task per line, in the same order.
SELECT h.ts_id                                                             AS key_ts_id,
       h.en_no                                                             AS ref_project__1,
       COALESCE((SELECT JSON_ARRAYAGG(l.tk_no ORDER BY l.ln_no)
                 FROM tsl AS l
                 WHERE l.ts_id = h.ts_id), '[]')                           AS ref_lines__task__1,
       CAST(h.ts_id AS CHAR)                                               AS external_number,
       h.en_no                                                             AS project,
       h.cn_no                                                             AS consultant,
       h.wk_dt                                                             AS week,
       COALESCE(NULLIF(h.sta_cd, ''), 'D')                                 AS status,
       h.apr_no                                                            AS approved_by,
       h.note_tx                                                           AS note,
       COALESCE((SELECT SUM(l.hrs) FROM tsl AS l WHERE l.ts_id = h.ts_id), 0) AS total_hours,
       COALESCE((SELECT JSON_ARRAYAGG(JSON_OBJECT(
                            'line_number', l.ln_no,
                            'task', l.tk_no,
                            'work_date', l.wrk_dt,
                            'hours', l.hrs,
                            'hourly_rate', COALESCE(l.rt, t.rt),
                            'billable', (COALESCE(l.bil, 1) = 1),
                            'description', NULLIF(TRIM(l.txt COLLATE utf8mb4_bin), '')) ORDER BY l.ln_no)
                 FROM tsl AS l
                 LEFT JOIN tk AS t ON t.tk_no = l.tk_no
                 WHERE l.ts_id = h.ts_id), '[]')                           AS `lines`
FROM tsh AS h
