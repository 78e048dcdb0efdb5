-- name: schema
CREATE TABLE IF NOT EXISTS arrival (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, request_id TEXT NOT NULL, batch_id TEXT, method TEXT NOT NULL,
    entity_set TEXT, record_key TEXT, accepted INTEGER NOT NULL, status INTEGER NOT NULL, reason TEXT, body TEXT,
    client TEXT, digest TEXT NOT NULL
);
CREATE VIEW IF NOT EXISTS effect AS SELECT * FROM arrival WHERE accepted = 1;
CREATE TABLE IF NOT EXISTS party (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, party_number TEXT NOT NULL, name TEXT NOT NULL,
    tax_exempt_number TEXT NOT NULL, parent_party_number TEXT NOT NULL, primary_email TEXT NOT NULL,
    city TEXT NOT NULL, country_region_id TEXT NOT NULL, segment TEXT NOT NULL, note TEXT NOT NULL,
    is_active TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS customer_account (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, data_area_id TEXT NOT NULL, customer_account TEXT NOT NULL,
    party_number TEXT NOT NULL, sales_currency_code TEXT NOT NULL, payment_terms_name TEXT NOT NULL,
    credit_limit_cents INTEGER NOT NULL, on_hold TEXT NOT NULL, is_active TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS invoice (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, data_area_id TEXT NOT NULL, invoice_number TEXT NOT NULL,
    invoice_account TEXT NOT NULL, invoice_date TEXT NOT NULL, due_date TEXT, currency_code TEXT NOT NULL,
    total_cents INTEGER NOT NULL, reference TEXT NOT NULL, note TEXT NOT NULL, is_reversal TEXT NOT NULL,
    corrected_invoice_number TEXT NOT NULL, historical_load TEXT NOT NULL, document_status TEXT NOT NULL,
    voucher_number TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS invoice_line (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, data_area_id TEXT NOT NULL, invoice_number TEXT NOT NULL,
    line_number INTEGER NOT NULL, description TEXT NOT NULL, item_number TEXT NOT NULL, quantity REAL NOT NULL,
    unit_price REAL NOT NULL, line_cents INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS payment (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, data_area_id TEXT NOT NULL, journal_number TEXT NOT NULL,
    customer_account TEXT NOT NULL, payment_date TEXT NOT NULL, currency_code TEXT NOT NULL,
    amount_cents INTEGER NOT NULL, payment_method TEXT NOT NULL, payment_reference TEXT NOT NULL,
    historical_load TEXT NOT NULL, is_reversed TEXT NOT NULL, voucher_number TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS settlement (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, data_area_id TEXT NOT NULL, journal_number TEXT NOT NULL,
    invoice_number TEXT NOT NULL, settled_cents INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS project (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, project_id TEXT NOT NULL, name TEXT NOT NULL,
    client_reference TEXT NOT NULL, customer_reference TEXT NOT NULL, project_stage TEXT NOT NULL,
    project_type TEXT NOT NULL, project_manager TEXT NOT NULL, currency_code TEXT NOT NULL,
    budget_hours_hundredths INTEGER NOT NULL, budget_amount_cents INTEGER NOT NULL, start_date TEXT, end_date TEXT,
    is_confidential TEXT NOT NULL, note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS project_activity (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, activity_number TEXT NOT NULL, project_id TEXT NOT NULL,
    name TEXT NOT NULL, activity_state TEXT NOT NULL, is_billable TEXT NOT NULL, planned_hours_hundredths INTEGER NOT NULL,
    hourly_rate REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS timesheet (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, timesheet_number TEXT NOT NULL, project_id TEXT NOT NULL,
    resource_id TEXT NOT NULL, period_start_date TEXT NOT NULL, approval_status TEXT NOT NULL, approved_by TEXT NOT NULL,
    total_hours_hundredths INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS timesheet_line (
    rec_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, timesheet_number TEXT NOT NULL, line_number INTEGER NOT NULL,
    activity_number TEXT NOT NULL, work_date TEXT, hours_hundredths INTEGER NOT NULL, hourly_rate REAL NOT NULL,
    is_billable TEXT NOT NULL, description TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS voucher (
    voucher_number TEXT PRIMARY KEY, data_area_id TEXT NOT NULL, kind TEXT NOT NULL, document_number TEXT NOT NULL,
    posted_on TEXT NOT NULL, currency_code TEXT NOT NULL, amount_cents INTEGER NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS period (
    id INTEGER PRIMARY KEY, data_area_id TEXT NOT NULL, first_day TEXT NOT NULL, last_day TEXT NOT NULL,
    state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tenant (id TEXT PRIMARY KEY);

-- name: add_arrival
INSERT INTO arrival (at, request_id, batch_id, method, entity_set, record_key, accepted, status, reason, body, client,
                     digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: add_voucher
INSERT INTO voucher (voucher_number, data_area_id, kind, document_number, posted_on, currency_code, amount_cents, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: add_period
INSERT INTO period (data_area_id, first_day, last_day, state) VALUES (?, ?, ?, ?)

-- name: periods
SELECT data_area_id, first_day, last_day, state FROM period ORDER BY id

-- name: last_numbers
SELECT (SELECT max(voucher_number) FROM voucher), (SELECT max(journal_number) FROM payment)

-- name: counts
SELECT count(*), coalesce(sum(accepted), 0) FROM arrival

-- name: add_tenant
INSERT OR IGNORE INTO tenant (id) VALUES (?)

-- name: tenants
SELECT id FROM tenant
