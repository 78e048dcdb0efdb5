-- name: cl
INSERT INTO cl (cl_no, fin_no, nm, cty, ctry, ind_cd, act_flg, vip, note_tx, ins_dt) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)

-- name: cn
INSERT INTO cn (cn_no, nm, eml, grd_cd, std_rt, act) VALUES (%s, %s, %s, %s, %s, %s)

-- name: en
INSERT INTO en (en_no, cl_no, pm_no, nm, sta_cd, typ_cd, prio, cur, bud_hrs, bud_am, st_dt, en_dt, conf, note_tx)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)

-- name: tk
INSERT INTO tk (tk_no, en_no, dsc_tx, sta_cd, bil_flg, pln_hrs, rt, srt) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)

-- name: tsh
INSERT INTO tsh (ts_id, cn_no, en_no, wk_dt, sta_cd, apr_no, apr_ts) VALUES (%s, %s, CONCAT('E', LPAD(%s, 6, '0')), %s, %s, %s, NULL)

-- name: tsl
INSERT INTO tsl (ts_id, ln_no, tk_no, wrk_dt, hrs, rt, bil, txt) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)

-- name: log
INSERT INTO audlog (usr_id, txt) VALUES ('SYSTEM', 'initial book')
