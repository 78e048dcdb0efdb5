-- Customers of all companies. A soft-deleted one stays, inactive: its accounts and documents still point at it.
SELECT c.cust_no                                                AS external_number,
       COALESCE(NULLIF(TRIM(c.nm), ''), c.cust_no)              AS name,
       NULLIF(TRIM(c.tax_no), '')                               AS tax_number,
       NULLIF(TRIM(c.prt_cust), '')                             AS parent,
       NULLIF(TRIM(c.eml), '')                                  AS email,
       NULLIF(TRIM(c.cty), '')                                  AS city,
       NULLIF(TRIM(c.ctry_cd), '')                              AS country,
       COALESCE(NULLIF(TRIM(s.txt), ''), NULLIF(TRIM(c.seg_cd), '')) AS segment,
       c.note_tx                                                AS note,
       CASE WHEN COALESCE(c.act_flg, 'Y') = 'Y' AND COALESCE(c.del_flg, ' ') <> 'Y'
            THEN TRUE ELSE FALSE END                            AS active
FROM fin.arcust AS c
LEFT JOIN fin.cdtab AS s ON s.tab_id = 'SEGM' AND s.cd = c.seg_cd
