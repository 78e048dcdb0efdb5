-- Who of several replicas does what only one may do: read a source, derive it. A row stays when nobody holds it.

CREATE TABLE coexist.lease (
    name          text PRIMARY KEY,      -- capture:<source>, derive:<source>
    holder        text NOT NULL,         -- a word for whoever reads this; the session below is what counts
    until         timestamptz NOT NULL,  -- by the store's clock; after it others may take the lease
    backend_pid   integer NOT NULL,      -- the session that does the work: gone, it frees the lease at once,
    backend_start timestamptz NOT NULL,  -- and whoever takes the lease from one that is not gone ends it first
    fence         bigint NOT NULL DEFAULT 1  -- grows with every holder
);
