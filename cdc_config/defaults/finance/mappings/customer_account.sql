-- What a company agreed with a customer: terms (as EDI partners spell them), credit limit, currency.
SELECT a.co_cd                                                  AS legal_entity,
       a.cust_no                                                AS external_number,
       a.cust_no                                                AS customer,
       COALESCE(NULLIF(TRIM(a.cur), ''), co.cur)                AS currency,
       NULLIF(TRIM(t.ext_cd), '')                               AS payment_terms,
       a.cr_lim                                                 AS credit_limit,
       CASE WHEN a.hld_flg = 'Y' THEN TRUE ELSE FALSE END       AS on_hold,
       CASE WHEN COALESCE(a.del_flg, ' ') <> 'Y' THEN TRUE ELSE FALSE END AS active
FROM fin.arcuco AS a
LEFT JOIN fin.co AS co ON co.co_cd = a.co_cd
LEFT JOIN fin.trms AS t ON t.trm_cd = a.trm_cd
