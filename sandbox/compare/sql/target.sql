-- The ERP's side, from the sandbox's own SQLite record. Keys compare there without case, so they come in capitals.

-- name: money
-- A reversal counts minus one and carries a negative amount: what was posted and taken back nets to nothing.
SELECT 'customer' AS entity, '' AS company, '' AS currency, count(*) AS n, 0 AS cents FROM party WHERE is_active = 'Yes'
UNION ALL
SELECT 'customer_account', data_area_id, sales_currency_code, count(*), 0 FROM customer_account
WHERE is_active = 'Yes' GROUP BY 2, 3
UNION ALL
SELECT 'invoice posted', data_area_id, currency_code, sum(CASE is_reversal WHEN 'Yes' THEN -1 ELSE 1 END), sum(total_cents)
FROM invoice WHERE document_status = 'Posted' GROUP BY 2, 3
UNION ALL
SELECT 'invoice draft', data_area_id, currency_code, count(*), sum(total_cents)
FROM invoice WHERE document_status = 'Draft' GROUP BY 2, 3
UNION ALL
SELECT 'payment', data_area_id, currency_code, count(*), sum(amount_cents)
FROM payment WHERE is_reversed = 'No' GROUP BY 2, 3
UNION ALL
SELECT 'allocation', p.data_area_id, p.currency_code, count(*), sum(s.settled_cents)
FROM payment AS p JOIN settlement AS s ON s.data_area_id = p.data_area_id AND s.journal_number = p.journal_number
WHERE p.is_reversed = 'No' GROUP BY 2, 3

-- name: customers
SELECT upper(party_number) AS number, upper(parent_party_number) AS parent, name, tax_exempt_number AS tax_number,
       primary_email AS email, city, country_region_id AS country, segment, note, is_active AS active
FROM party

-- name: accounts
SELECT data_area_id AS area, upper(customer_account) AS number, upper(party_number) AS party,
       sales_currency_code AS currency, payment_terms_name AS terms, credit_limit_cents AS credit_cents, on_hold,
       is_active AS active
FROM customer_account

-- name: invoices
SELECT data_area_id AS area, upper(invoice_number) AS number, upper(invoice_account) AS customer, invoice_date,
       coalesce(due_date, '') AS due_date, currency_code AS currency, total_cents, reference, note,
       is_reversal = 'Yes' AS is_reversal, upper(corrected_invoice_number) AS corrects, document_status AS status,
       historical_load = 'Yes' AS is_historical, voucher_number AS voucher
FROM invoice

-- name: invoice_lines
SELECT data_area_id AS area, upper(invoice_number) AS number, line_number AS line, description, item_number AS item,
       quantity, unit_price AS price, line_cents
FROM invoice_line

-- name: payments
SELECT data_area_id AS area, upper(journal_number) AS number, upper(customer_account) AS customer,
       payment_date AS paid_on, currency_code AS currency, amount_cents, payment_method AS method,
       payment_reference AS marker
FROM payment WHERE is_reversed = 'No'

-- name: settlements
SELECT data_area_id AS area, upper(journal_number) AS payment, upper(invoice_number) AS invoice, settled_cents
FROM settlement

-- name: doubled_markers
SELECT data_area_id, payment_reference, count(*) FROM payment
WHERE is_reversed = 'No' AND payment_reference <> '' GROUP BY 1, 2 HAVING count(*) > 1

-- name: doubled_vouchers
SELECT data_area_id, kind, document_number, count(*) FROM voucher
GROUP BY data_area_id, kind, upper(document_number) HAVING count(*) > 1

-- name: doubled_effects
-- What has no key is doubled by the very same write; everywhere else a second create is refused.
SELECT entity_set, method, count(*), min(body) FROM effect
WHERE method = 'POST' AND entity_set = 'CustomerPaymentJournals'
GROUP BY entity_set, method, digest HAVING count(*) > 1

-- name: wrong_vouchers
-- A posting has the voucher of its amount; a historical load has none.
SELECT i.data_area_id, i.invoice_number, i.historical_load, coalesce(v.amount_cents, 0) FROM invoice AS i
LEFT JOIN voucher AS v
  ON v.kind = 'invoice' AND v.data_area_id = i.data_area_id AND upper(v.document_number) = upper(i.invoice_number)
WHERE i.document_status = 'Posted'
  AND CASE i.historical_load WHEN 'Yes' THEN v.voucher_number IS NOT NULL
                             ELSE v.amount_cents IS NULL OR v.amount_cents <> i.total_cents END
