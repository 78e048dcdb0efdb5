-- Companies.
SELECT c.co_cd                                                  AS key_co_cd,
       rtrim(c.co_cd)                                           AS code,
       COALESCE(NULLIF(rtrim(c.nm), ''), rtrim(c.co_cd))        AS name,
       c.cur                                                    AS functional_currency,
       CASE WHEN COALESCE(c.st_flg, 'A') = 'A' THEN TRUE ELSE FALSE END AS active
FROM fin.co AS c
