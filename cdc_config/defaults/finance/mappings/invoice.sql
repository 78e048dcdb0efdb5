-- Invoices with their lines. A soft-deleted draft is gone.
SELECT h.co_cd                                                  AS legal_entity,
       h.inv_no                                                 AS external_number,
       h.cust_no                                                AS customer,
       h.inv_dt                                                 AS invoice_date,
       h.due_dt                                                 AS due_date,
       h.cur                                                    AS currency,
       CASE h.sta_cd WHEN 'P' THEN 'posted' WHEN 'V' THEN 'void' ELSE 'draft' END AS status,
       COALESCE(h.tot_am, 0)                                    AS net_total,
       NULLIF(TRIM(h.ref_tx), '')                               AS reference,
       h.note_tx                                                AS note,
       COALESCE((SELECT json_agg(json_build_object(
                            'line_number', l.ln_no,
                            'description', NULLIF(TRIM(l.dsc_tx), ''),
                            'service_item', NULLIF(TRIM(l.itm_cd), ''),
                            'quantity', COALESCE(l.qty, 0),
                            'unit_price', COALESCE(l.prc, 0),
                            'amount', COALESCE(l.am, 0)) ORDER BY l.ln_no)
                 FROM fin.arinvl AS l
                 WHERE l.co_cd = h.co_cd AND l.inv_no = h.inv_no), '[]') AS lines
FROM fin.arinvh AS h
WHERE COALESCE(h.del_flg, ' ') <> 'Y'
