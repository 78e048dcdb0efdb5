-- The ERP's side of projects and time, from the sandbox's own record. Keys come in capitals; what is cancelled is not active.

-- name: totals
SELECT 'project' AS entity, currency_code AS unit, count(*) AS n, sum(budget_amount_cents) AS hundredths FROM project
WHERE project_stage <> 'Cancelled' GROUP BY 2
UNION ALL
SELECT 'task', 'h', count(*), sum(planned_hours_hundredths) FROM project_activity WHERE activity_state <> 'Cancelled'
UNION ALL
SELECT 'time sheet ' || lower(approval_status), 'h', count(*), sum(total_hours_hundredths) FROM timesheet
WHERE approval_status <> 'Cancelled' GROUP BY 1
UNION ALL
SELECT CASE l.is_billable WHEN 'No' THEN 'time line free' ELSE 'time line billable' END, 'h', count(*), sum(l.hours_hundredths)
FROM timesheet_line AS l JOIN timesheet AS h ON upper(h.timesheet_number) = upper(l.timesheet_number)
WHERE h.approval_status <> 'Cancelled' GROUP BY 1

-- name: projects
SELECT upper(project_id) AS number, name, client_reference AS client, customer_reference AS customer, project_stage AS stage,
       project_type AS type, project_manager AS manager, currency_code AS currency, budget_hours_hundredths, budget_amount_cents,
       coalesce(start_date, '') AS start_date, coalesce(end_date, '') AS end_date, is_confidential AS confidential, note,
       CASE project_stage WHEN 'Cancelled' THEN 'No' ELSE 'Yes' END AS active
FROM project

-- name: tasks
SELECT upper(activity_number) AS number, upper(project_id) AS project, name, activity_state AS state, is_billable AS billable,
       planned_hours_hundredths, hourly_rate AS rate, CASE activity_state WHEN 'Cancelled' THEN 'No' ELSE 'Yes' END AS active
FROM project_activity

-- name: sheets
SELECT upper(timesheet_number) AS number, upper(project_id) AS project, resource_id AS consultant, period_start_date AS week,
       approval_status AS status, approved_by AS approver, note, total_hours_hundredths,
       CASE approval_status WHEN 'Cancelled' THEN 'No' ELSE 'Yes' END AS active
FROM timesheet

-- name: sheet_lines
SELECT upper(timesheet_number) AS number, line_number AS line, upper(activity_number) AS task, coalesce(work_date, '') AS day,
       hours_hundredths, hourly_rate AS rate, is_billable AS billable, description
FROM timesheet_line

-- name: doubled_writes
-- The very same change accepted twice in a row: a patch says only what differs, so the second one had no reason. (A patch of
-- nothing guards a change of lines; those have their own.)
SELECT entity_set, record_key, count(*) AS n FROM (
    SELECT entity_set, record_key, method, body, digest,
           lag(digest) OVER (PARTITION BY entity_set, upper(record_key) ORDER BY id) AS before
    FROM effect WHERE entity_set IN ('Projects', 'ProjectActivities', 'TimesheetHeaders', 'TimesheetLines')
) WHERE method = 'PATCH' AND digest = before AND body <> '{}' GROUP BY 1, 2
