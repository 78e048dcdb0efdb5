-- What a company agreed with a customer: terms (as EDI partners spell them), credit limit, currency.
SELECT a.co_cd                                                  AS key_co_cd,
       a.cust_no                                                AS key_cust_no,
       rtrim(a.cust_no)                                         AS ref_customer__1,
       rtrim(a.cust_no)                                         AS external_number,
       rtrim(a.co_cd)                                           AS legal_entity,
       rtrim(a.cust_no)                                         AS customer,
       COALESCE(NULLIF(rtrim(a.cur), ''), co.cur)               AS currency,
       NULLIF(rtrim(t.ext_cd), '')                              AS payment_terms,
       a.cr_lim                                                 AS credit_limit,
       CASE WHEN a.hld_flg = 'Y' THEN TRUE ELSE FALSE END       AS on_hold
FROM fin.arcuco AS a
LEFT JOIN fin.co AS co ON co.co_cd = a.co_cd
LEFT JOIN fin.trms AS t ON t.trm_cd = a.trm_cd
WHERE COALESCE(a.del_flg, ' ') <> 'Y'
