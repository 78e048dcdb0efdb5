-- The legacy finance database, as twenty-five years left it: short names, padded codes, numbers as texts, no foreign keys,
-- soft deletes, and columns that nobody has read since the last migration but one.

CREATE SCHEMA fin;

-- Companies.
CREATE TABLE fin.co (
    co_cd    char(4) NOT NULL,
    nm       char(40),
    cur      char(3),
    ctry_cd  char(3),
    st_flg   char(1) DEFAULT 'A',          -- A active, I inactive
    tax_reg  varchar(20),
    prt_co   char(4),
    fy_st_mo smallint,
    edi_no   char(13),                     -- deadwood: the EDI provider is gone
    grp_x    char(2),                      -- deadwood
    upd_ts   timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (co_cd)
);

-- Ledger periods: O open, S soft closed, C closed.
CREATE TABLE fin.glper (
    co_cd  char(4)  NOT NULL,
    yr     smallint NOT NULL,
    per    smallint NOT NULL,
    st_dt  date,
    en_dt  date,
    sta    char(1),
    adj_fl char(1),                        -- deadwood
    upd_ts timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (co_cd, yr, per)
);

-- The one code table for everything: SEGM segments, PAYM payment methods, CTRY countries.
CREATE TABLE fin.cdtab (
    tab_id  char(6) NOT NULL,
    cd      char(8) NOT NULL,
    txt     varchar(60),
    srt     smallint,
    act_flg char(1) DEFAULT 'Y',
    old_cd  char(4),                       -- deadwood: codes of the system before
    upd_ts  timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (tab_id, cd)
);

-- Payment terms; ext_cd is what EDI partners call them.
CREATE TABLE fin.trms (
    trm_cd  char(4) NOT NULL,
    dys     smallint,
    txt     varchar(40),
    ext_cd  char(10),
    dsc_pct numeric(5, 2),
    dsc_dys smallint,
    lang_x  char(1),                       -- deadwood
    upd_ts  timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (trm_cd)
);

-- Customers, all companies.
CREATE TABLE fin.arcust (
    cust_no  char(12) NOT NULL,
    prt_cust char(12),
    nm       char(60),
    tax_no   char(20),
    eml      varchar(120),
    cty      char(35),
    ctry_cd  char(3),
    seg_cd   char(4),
    note_tx  text,
    act_flg  char(1) DEFAULT 'Y',
    del_flg  char(1) DEFAULT ' ',
    fax_no   char(20),                     -- deadwood
    tlx_no   char(12),                     -- deadwood: telex
    ins_dt   date,
    upd_ts   timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (cust_no)
) WITH (fillfactor = 85);
-- Long notes go out of line as they are, so that an update of something else leaves them out of the change stream.
ALTER TABLE fin.arcust ALTER COLUMN note_tx SET STORAGE EXTERNAL;
CREATE INDEX arcust_prt ON fin.arcust (prt_cust);

-- Customers per company.
CREATE TABLE fin.arcuco (
    co_cd   char(4)  NOT NULL,
    cust_no char(12) NOT NULL,
    trm_cd  char(4),
    cr_lim  numeric(15, 2),
    cur     char(3),
    hld_flg char(1) DEFAULT 'N',
    del_flg char(1) DEFAULT ' ',
    dun_lvl smallint,
    rep_cd  char(4),                       -- deadwood
    upd_ts  timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (co_cd, cust_no)
) WITH (fillfactor = 85);
CREATE INDEX arcuco_cust ON fin.arcuco (cust_no);

-- Invoice headers: D draft, P posted, V void.
CREATE TABLE fin.arinvh (
    co_cd   char(4)  NOT NULL,
    inv_no  char(14) NOT NULL,
    cust_no char(12),
    inv_dt  date,
    due_dt  date,
    cur     char(3),
    sta_cd  char(1) DEFAULT 'D',
    tot_am  numeric(17, 4),
    ref_tx  varchar(40),
    note_tx text,
    cor_cnt smallint DEFAULT 0,            -- corrections after posting
    del_flg char(1) DEFAULT ' ',
    prt_cnt smallint,                      -- deadwood: copies printed
    btch_no char(8),                       -- deadwood
    upd_ts  timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (co_cd, inv_no)
) WITH (fillfactor = 85);
ALTER TABLE fin.arinvh ALTER COLUMN note_tx SET STORAGE EXTERNAL;
CREATE INDEX arinvh_cust ON fin.arinvh (cust_no);

-- Invoice lines.
CREATE TABLE fin.arinvl (
    co_cd  char(4)  NOT NULL,
    inv_no char(14) NOT NULL,
    ln_no  smallint NOT NULL,
    itm_cd char(10),
    dsc_tx varchar(80),
    qty    numeric(13, 3),
    prc    numeric(17, 5),
    am     numeric(17, 4),
    ln_typ char(1),                        -- deadwood
    wh_cd  char(4),                        -- deadwood: the warehouse was sold
    upd_ts timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (co_cd, inv_no, ln_no)
) WITH (fillfactor = 85);

-- Payments.
CREATE TABLE fin.arpay (
    co_cd   char(4)  NOT NULL,
    pay_no  char(10) NOT NULL,
    cust_no char(12),
    pay_dt  date,
    cur     char(3),
    pay_am  numeric(15, 2),
    mth_cd  char(2),
    ref_tx  varchar(40),
    del_flg char(1) DEFAULT ' ',
    bnk_cd  char(8),                       -- deadwood
    upd_ts  timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (co_cd, pay_no)
) WITH (fillfactor = 85);
CREATE INDEX arpay_cust ON fin.arpay (cust_no);

-- Allocations of payments to posted invoices.
CREATE TABLE fin.aralloc (
    co_cd   char(4)  NOT NULL,
    pay_no  char(10) NOT NULL,
    inv_no  char(14) NOT NULL,
    al_am   numeric(15, 2),
    al_dt   date,
    del_flg char(1) DEFAULT ' ',
    src_x   char(2),                       -- deadwood
    upd_ts  timestamp(3) DEFAULT localtimestamp,
    PRIMARY KEY (co_cd, pay_no, inv_no)
);
CREATE INDEX aralloc_inv ON fin.aralloc (co_cd, inv_no);

-- Renumberings, kept by the application. No mapping reads it.
CREATE TABLE fin.keyhis (
    his_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tab_id char(6) NOT NULL,               -- ARCUST, ARINVH
    co_cd  char(4),
    old_no char(14) NOT NULL,
    new_no char(14) NOT NULL,
    chg_ts timestamp(3) DEFAULT localtimestamp
);

-- Print queue, emptied by TRUNCATE. No mapping reads it.
CREATE TABLE fin.wrkprt (
    job_no bigint NOT NULL,
    doc_no char(14),
    usr_id char(8),
    dat_tx text,
    PRIMARY KEY (job_no)
);

-- The audit log never had a key, so it can never be captured.
CREATE TABLE fin.audlog (
    at_ts  timestamp(3) DEFAULT localtimestamp,
    usr_id char(8),
    act_cd char(4),
    txt    varchar(120)
);
