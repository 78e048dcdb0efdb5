-- Payments with what they are set against. The ref_allocations lists run along with allocations: one source key of an
-- invoice per allocation, in the same order.
SELECT p.co_cd                                                  AS key_co_cd,
       p.pay_no                                                 AS key_pay_no,
       rtrim(p.co_cd)                                           AS ref_customer__1,
       rtrim(p.cust_no)                                         AS ref_customer__2,
       COALESCE((SELECT json_agg(rtrim(a.co_cd) ORDER BY a.inv_no)
                 FROM fin.aralloc AS a
                 WHERE a.co_cd = p.co_cd AND a.pay_no = p.pay_no AND COALESCE(a.del_flg, ' ') <> 'Y'), '[]')
                                                                AS ref_allocations__invoice__1,
       COALESCE((SELECT json_agg(rtrim(a.inv_no) ORDER BY a.inv_no)
                 FROM fin.aralloc AS a
                 WHERE a.co_cd = p.co_cd AND a.pay_no = p.pay_no AND COALESCE(a.del_flg, ' ') <> 'Y'), '[]')
                                                                AS ref_allocations__invoice__2,
       rtrim(p.pay_no)                                          AS external_number,
       rtrim(p.co_cd)                                           AS legal_entity,
       rtrim(p.cust_no)                                         AS customer,
       p.pay_dt                                                 AS payment_date,
       p.cur                                                    AS currency,
       p.pay_am                                                 AS amount,
       NULLIF(upper(trim(p.mth_cd)), '')                        AS method,
       NULLIF(trim(p.ref_tx), '')                               AS reference,
       COALESCE((SELECT json_agg(json_build_object(
                            'invoice', rtrim(a.inv_no),
                            'amount', a.al_am) ORDER BY a.inv_no)
                 FROM fin.aralloc AS a
                 WHERE a.co_cd = p.co_cd AND a.pay_no = p.pay_no AND COALESCE(a.del_flg, ' ') <> 'Y'), '[]')
                                                                AS allocations
FROM fin.arpay AS p
WHERE COALESCE(p.del_flg, ' ') <> 'Y'
