-- Templates: {names} are filled by plain replacement, because compiled views may hold braces and percent signs of their own.

-- name: types
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0

-- name: wrong
WITH waiting AS MATERIALIZED (
    SELECT key_values FROM coexist.dirty WHERE stream_id = {stream} AND mapping = '{mapping}'
), v AS MATERIALIZED (
    SELECT {cast}, count(*) OVER (PARTITION BY {v_keys}) AS _times FROM ({view}) v
), doubled AS MATERIALIZED (
    SELECT DISTINCT ARRAY[{key_texts}] AS k, {shown} AS shown FROM v WHERE _times > 1
), wanted AS (
    SELECT {columns} FROM v WHERE _times = 1 AND ARRAY[{key_texts}] NOT IN (SELECT key_values FROM waiting)
), kept AS (
    SELECT {columns} FROM {state} WHERE NOT _deleted AND ARRAY[{key_texts}] NOT IN (SELECT key_values FROM waiting)
                                    AND ARRAY[{key_texts}] NOT IN (SELECT k FROM doubled)
), excepted AS MATERIALIZED (
    SELECT substring(subject FROM length('{mapping}:') + 1) AS shown FROM coexist.exception
    WHERE state = 'open' AND stage = 'evaluate' AND subject LIKE '{mapping}:%'
)
SELECT 'missing' AS what, to_jsonb(m)::text FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM kept) m
UNION ALL SELECT 'surplus', to_jsonb(s)::text FROM (SELECT * FROM kept EXCEPT ALL SELECT * FROM wanted) s
UNION ALL SELECT 'twice without exception', shown FROM doubled
          WHERE shown NOT IN (SELECT shown FROM excepted) AND k NOT IN (SELECT key_values FROM waiting)
UNION ALL SELECT 'exception without cause', shown FROM excepted
          WHERE shown NOT IN (SELECT shown FROM doubled) AND NOT EXISTS (SELECT FROM waiting)
