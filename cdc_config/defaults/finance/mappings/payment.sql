-- Payments with what they were set against.
SELECT p.co_cd                                                  AS legal_entity,
       p.pay_no                                                 AS external_number,
       p.cust_no                                                AS customer,
       p.pay_dt                                                 AS payment_date,
       p.cur                                                    AS currency,
       COALESCE(p.pay_am, 0)                                    AS amount,
       NULLIF(TRIM(p.mth_cd), '')                               AS method,
       NULLIF(TRIM(p.ref_tx), '')                               AS reference,
       COALESCE((SELECT json_agg(json_build_object(
                            'invoice', TRIM(a.inv_no),
                            'amount', COALESCE(a.al_am, 0)) ORDER BY a.inv_no)
                 FROM fin.aralloc AS a
                 WHERE a.co_cd = p.co_cd AND a.pay_no = p.pay_no AND COALESCE(a.del_flg, ' ') <> 'Y'), '[]')
                                                                AS allocations
FROM fin.arpay AS p
WHERE COALESCE(p.del_flg, ' ') <> 'Y'
