-- The legacy PSA database, grown beside the finance system: short names, code letters and flags of three fashions (char, tinyint, bit),
-- foreign keys that act by themselves, and natural keys that are renumbered. Codes are binary since "mueller" was once billed to "Mueller";
-- names and texts still compare as the server likes.

-- Clients. fin_no is the finance system's customer number as somebody typed it: padded, in lower case, with a dash.
CREATE TABLE cl (
    cl_no   CHAR(8) COLLATE utf8mb4_bin NOT NULL,
    fin_no  VARCHAR(16) COLLATE utf8mb4_bin,
    nm      VARCHAR(80) NOT NULL,
    cty     VARCHAR(40),
    ctry    CHAR(2) COLLATE utf8mb4_bin,
    ind_cd  CHAR(3) COLLATE utf8mb4_bin,
    act_flg CHAR(1) COLLATE utf8mb4_bin DEFAULT 'Y',
    vip     BIT(1) DEFAULT b'0',
    note_tx TEXT,
    fax_no  VARCHAR(20),                          -- deadwood
    ins_dt  DATE,
    upd_ts  DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (cl_no)
) ENGINE = InnoDB;

-- Consultants.
CREATE TABLE cn (
    cn_no   CHAR(6) COLLATE utf8mb4_bin NOT NULL,
    nm      VARCHAR(80) NOT NULL,
    eml     VARCHAR(120),
    grd_cd  CHAR(2) COLLATE utf8mb4_bin,
    std_rt  DECIMAL(9, 4),
    act     TINYINT(1) DEFAULT 1,
    exit_dt DATE,
    upd_ts  DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (cn_no)
) ENGINE = InnoDB;

-- Engagements: P proposed, A active, H on hold, C closed. T time and material, F fixed price.
CREATE TABLE en (
    en_no   CHAR(10) COLLATE utf8mb4_bin NOT NULL,
    cl_no   CHAR(8) COLLATE utf8mb4_bin NOT NULL,
    pm_no   CHAR(6) COLLATE utf8mb4_bin,
    nm      VARCHAR(80),
    sta_cd  CHAR(1) COLLATE utf8mb4_bin DEFAULT 'P',
    typ_cd  CHAR(1) COLLATE utf8mb4_bin DEFAULT 'T',
    prio    ENUM ('lo', 'mid', 'hi'),
    cur     CHAR(3) COLLATE utf8mb4_bin,
    bud_hrs DECIMAL(9, 2),
    bud_am  DECIMAL(15, 2),
    st_dt   DATE,
    en_dt   DATE,
    conf    BIT(1) DEFAULT b'0',                  -- confidential
    note_tx TEXT,
    old_pj  SMALLINT,                             -- deadwood: number in the system before
    upd_ts  DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (en_no),
    CONSTRAINT en_cl FOREIGN KEY (cl_no) REFERENCES cl (cl_no) ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT en_pm FOREIGN KEY (pm_no) REFERENCES cn (cn_no) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE = InnoDB;

-- Tasks of engagements.
CREATE TABLE tk (
    tk_no   CHAR(14) COLLATE utf8mb4_bin NOT NULL,
    en_no   CHAR(10) COLLATE utf8mb4_bin NOT NULL,
    dsc_tx  VARCHAR(80),
    sta_cd  CHAR(1) COLLATE utf8mb4_bin DEFAULT 'O',       -- O open, C closed
    bil_flg CHAR(1) COLLATE utf8mb4_bin DEFAULT 'Y',
    pln_hrs DECIMAL(9, 2),
    rt      DECIMAL(9, 4),
    srt     SMALLINT UNSIGNED,
    upd_ts  DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (tk_no),
    CONSTRAINT tk_en FOREIGN KEY (en_no) REFERENCES en (en_no) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE = InnoDB;

-- Time sheets: one consultant, one week, one engagement. D draft, S submitted, A approved, R rejected.
CREATE TABLE tsh (
    ts_id   INT UNSIGNED NOT NULL,
    cn_no   CHAR(6) COLLATE utf8mb4_bin NOT NULL,
    en_no   CHAR(10) COLLATE utf8mb4_bin NOT NULL,
    wk_dt   DATE NOT NULL,
    sta_cd  CHAR(1) COLLATE utf8mb4_bin DEFAULT 'D',
    apr_no  CHAR(6) COLLATE utf8mb4_bin,
    apr_ts  DATETIME(3),
    cor_cnt TINYINT DEFAULT 0,                    -- corrections after approval
    note_tx TEXT,
    prt_flg CHAR(1),                              -- deadwood
    upd_ts  DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (ts_id),
    CONSTRAINT tsh_cn FOREIGN KEY (cn_no) REFERENCES cn (cn_no) ON UPDATE CASCADE,
    CONSTRAINT tsh_en FOREIGN KEY (en_no) REFERENCES en (en_no) ON DELETE RESTRICT ON UPDATE CASCADE
) ENGINE = InnoDB;

-- Their lines; rt only where it differs from the task's.
CREATE TABLE tsl (
    ts_id   INT UNSIGNED NOT NULL,
    ln_no   SMALLINT NOT NULL,
    tk_no   CHAR(14) COLLATE utf8mb4_bin,
    wrk_dt  DATE,
    hrs     DECIMAL(5, 2),
    rt      DECIMAL(9, 4),
    bil     TINYINT(1) DEFAULT 1,
    txt     VARCHAR(160),
    src_x   CHAR(2),                              -- deadwood
    upd_ts  DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (ts_id, ln_no),
    CONSTRAINT tsl_tsh FOREIGN KEY (ts_id) REFERENCES tsh (ts_id) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT tsl_tk FOREIGN KEY (tk_no) REFERENCES tk (tk_no) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE = InnoDB;

-- Renumberings, kept by the application. No mapping reads it.
CREATE TABLE numhis (
    his_no BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    tab_cd CHAR(3) COLLATE utf8mb4_bin NOT NULL,
    old_no CHAR(14) COLLATE utf8mb4_bin NOT NULL,
    new_no CHAR(14) COLLATE utf8mb4_bin NOT NULL,
    chg_ts DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (his_no)
) ENGINE = InnoDB;

-- The log never had a key, so it can never be captured.
CREATE TABLE audlog (
    at_ts  DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
    usr_id CHAR(8),
    txt    VARCHAR(120)
) ENGINE = InnoDB;
