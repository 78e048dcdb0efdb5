-- Invoices with their lines. A missing amount is not read as zero: such an invoice becomes an exception.
SELECT h.co_cd                                                  AS key_co_cd,
       h.inv_no                                                 AS key_inv_no,
       rtrim(h.co_cd)                                           AS ref_customer__1,
       rtrim(h.cust_no)                                         AS ref_customer__2,
       rtrim(h.inv_no)                                          AS external_number,
       rtrim(h.co_cd)                                           AS legal_entity,
       rtrim(h.cust_no)                                         AS customer,
       h.inv_dt                                                 AS invoice_date,
       h.due_dt                                                 AS due_date,
       h.cur                                                    AS currency,
       COALESCE(NULLIF(rtrim(h.sta_cd), ''), 'D')               AS status,
       h.tot_am                                                 AS net_total,
       NULLIF(trim(h.ref_tx), '')                               AS reference,
       h.note_tx                                                AS note,
       COALESCE((SELECT json_agg(json_build_object(
                            'line_number', l.ln_no,
                            'description', NULLIF(trim(l.dsc_tx), ''),
                            'quantity', l.qty,
                            'unit_price', l.prc,
                            'amount', l.am,
                            'service_item', NULLIF(trim(l.itm_cd), '')) ORDER BY l.ln_no)
                 FROM fin.arinvl AS l
                 WHERE l.co_cd = h.co_cd AND l.inv_no = h.inv_no), '[]') AS lines
FROM fin.arinvh AS h
WHERE COALESCE(h.del_flg, ' ') <> 'Y'
