"""Values at the edges of MariaDB's types, the expressions that its dialect takes, and those that it refuses."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

TABLE = """
CREATE TABLE {table} (
    id INT PRIMARY KEY, r INT,
    i INT, s SMALLINT, g BIGINT, u INT UNSIGNED, d DECIMAL(9,4), e DECIMAL(5,2), z DECIMAL(20,0), n TINYINT(1), b BIT(1),
    v VARCHAR(40) COLLATE utf8mb4_bin, c CHAR(6) COLLATE utf8mb4_bin, x VARCHAR(40) COLLATE utf8mb4_nopad_bin,
    w VARCHAR(40) COLLATE utf8mb4_general_ci, k ENUM('lo', 'hi') COLLATE utf8mb4_bin, t TEXT COLLATE utf8mb4_bin,
    dt DATE, ts DATETIME(3), y YEAR, f DOUBLE, q INT(6) ZEROFILL, m TIMESTAMP(3) NULL
)"""

_TEXTS = ["", " ", "a", "A", "a ", "  a b ", "Müller", "MULLER", "muller", "ß", "é", "e\u0301", "x\ty", "0012", "12abc", "-7",
          "😀z", "a'b\"c", "İıŒ", "%", "a\u0001", "much longer", None]  # fmt: skip
POOLS: dict[str, list[Any]] = {
    "i": [0, 1, -1, 2, 3, 7, -5, 12, 2147483647, -2147483648, None],
    "s": [0, 1, -3, 32767, -32768, None],
    "g": [0, 1, -9, 4611686018427387903, 100000, None],
    "u": [0, 1, 9, 4294967295, None],
    "d": [Decimal(t) for t in ("0", "1.2345", "-1.5", "0.00005", "2.5", "-0.0499", "99999.9999", "3", "-2.4950")] + [None],
    "e": [Decimal(t) for t in ("0", "2.5", "-0.05", "999.99", "-999.99", "0.01", "8", "1.15")] + [None],
    "z": [Decimal(t) for t in ("0", "18446744073709551615", "-3", "7")] + [None],
    "n": [0, 1, None],
    "b": [0, 1, None],
    "v": _TEXTS,
    "c": [t[:6] if t is not None else None for t in _TEXTS],
    "x": _TEXTS,
    "w": _TEXTS,
    "k": ["lo", "hi", None],
    "t": _TEXTS,
    "dt": ["2024-02-29", "2024-01-31", "0001-01-01", "9999-12-31", "1999-12-31", "2023-06-15", None],
    "ts": ["2024-01-31 10:11:12.345", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999", "2024-02-29 00:00:00.001",
           "2024-02-29 00:00:00", None],
    "y": [2024, 1999, 0, None],
    "f": [0.5, -1.25, None],
    "q": [42, 0, None],
    "m": ["2024-01-31 10:11:12.345", None],
}  # fmt: skip



def _lines(name: str) -> list[str]:
    return (Path(__file__).parent / "sql" / f"mariadb_{name}.txt").read_text(encoding="utf-8").splitlines()


# Over `t AS a`; sub-queries over `c AS c`, which has the same columns.
EXPRESSIONS = [*(f"a.{name}" for name in POOLS), *_lines("expressions")]
# After `SELECT a.id AS id, `.
QUERIES = _lines("queries")
# Expression → what the refusal says.
REFUSED: dict[str, str] = dict(line.split("  =>  ") for line in _lines("refused"))
