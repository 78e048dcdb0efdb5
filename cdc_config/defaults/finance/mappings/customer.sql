-- Customers of all companies. A soft-deleted one is gone: the target deactivates it.
SELECT c.cust_no                                                AS key_cust_no,
       NULLIF(rtrim(c.prt_cust), '')                            AS ref_parent__1,
       rtrim(c.cust_no)                                         AS external_number,
       COALESCE(NULLIF(trim(c.nm), ''), rtrim(c.cust_no))       AS name,
       NULLIF(trim(c.tax_no), '')                               AS tax_number,
       NULLIF(rtrim(c.prt_cust), '')                            AS parent,
       NULLIF(trim(c.eml), '')                                  AS email,
       NULLIF(trim(c.cty), '')                                  AS city,
       NULLIF(upper(trim(c.ctry_cd)), '')                       AS country,
       NULLIF(trim(s.txt), '')                                  AS segment,
       c.note_tx                                                AS note,
       CASE WHEN COALESCE(c.act_flg, 'Y') = 'Y' THEN TRUE ELSE FALSE END AS active
FROM fin.arcust AS c
LEFT JOIN fin.cdtab AS s ON s.tab_id = 'SEGM' AND s.cd = c.seg_cd
WHERE COALESCE(c.del_flg, ' ') <> 'Y'
