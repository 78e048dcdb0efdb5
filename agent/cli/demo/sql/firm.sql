-- name: cursors
SELECT source, cursor FROM coexist.stream

-- name: underived
SELECT coalesce(sum(s.last_txn - d.txn_no), 1)::bigint FROM coexist.stream s JOIN coexist.derive_position d USING (stream_id)

-- name: leader
SELECT holder FROM coexist.lease WHERE name = %s AND until > clock_timestamp()
