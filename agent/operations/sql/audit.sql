-- name: record
INSERT INTO coexist.audit (actor, action, subject, reason, details) VALUES (%s, %s, %s, %s, %s)
