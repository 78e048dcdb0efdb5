"""What a mapping may use, per dialect: a data table. Everything that is not on it is refused by name.

A construct comes onto the list with a test that both sides mean the same by it, not because it parses.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Allowed:
    """One dialect's list. parser: what sqlglot calls it. functions: names sqlglot has no node for. list_functions: aggregates
    that make lists. formats: the only format texts of to_char and to_date."""

    nodes: frozenset[type[exp.Expr]]
    functions: frozenset[str]
    list_functions: frozenset[str]
    types: frozenset[str]
    extract: frozenset[str]
    formats: frozenset[str]
    parser: str = "postgres"


_STRUCTURE: tuple[type[exp.Expr], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.Tuple, exp.Alias, exp.Subquery,
    exp.Select, exp.Star, exp.Var, exp.DataType, exp.DataTypeParam, exp.Order, exp.Ordered, exp.Where, exp.Placeholder,
)  # fmt: skip
_OPERATORS: tuple[type[exp.Expr], ...] = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ,
    exp.Is, exp.Between, exp.Like, exp.In, exp.Exists, exp.Case, exp.If, exp.Cast, exp.Coalesce, exp.Nullif,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.Interval,
)  # fmt: skip
_FUNCTIONS: tuple[type[exp.Expr], ...] = (
    exp.Trim, exp.Upper, exp.Lower, exp.Concat, exp.ConcatWs, exp.Substring, exp.Replace, exp.Pad, exp.Left, exp.Right,
    exp.Length, exp.SplitPart, exp.StrPosition, exp.Translate, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Trunc,
    exp.Sign, exp.Greatest, exp.Least, exp.Extract, exp.TimestampTrunc, exp.TimeToStr, exp.StrToDate, exp.AtTimeZone,
    exp.MD5,
)  # fmt: skip
_AGGREGATES: tuple[type[exp.Expr], ...] = (
    exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.LogicalAnd, exp.LogicalOr, exp.Distinct, exp.Filter,
    exp.JSONArrayAgg, exp.GroupConcat, exp.ArrayAgg,
)  # fmt: skip

POSTGRES = Allowed(
    nodes=frozenset(_STRUCTURE + _OPERATORS + _FUNCTIONS + _AGGREGATES),
    functions=frozenset({"json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array", "jsonb_agg"}),
    list_functions=frozenset({"jsonb_agg"}),
    types=frozenset(
        {"TEXT", "VARCHAR", "CHAR", "BPCHAR", "SMALLINT", "INT", "BIGINT", "DECIMAL", "BOOLEAN", "DATE", "TIMESTAMP",
         "DOUBLE", "JSON", "JSONB", "UUID"}
    ),
    extract=frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "DOW", "ISODOW", "DOY", "WEEK", "HOUR", "MINUTE", "SECOND"}),
    formats=frozenset({"YYYY-MM-DD", "YYYYMMDD", "YYYY-MM", "YYYYMM", "YYYY", "MM", "DD", "DD.MM.YYYY", "HH24:MI:SS",
                       "YYYY-MM-DD HH24:MI:SS"}),
)  # fmt: skip

# What passes here is only looked at: agent.mapping.mariadb has a rule for each, or refuses it.
MARIADB = Allowed(
    nodes=frozenset(
        {*_STRUCTURE, *_OPERATORS, exp.IntDiv, exp.Collate, exp.DateAdd, exp.DateSub, exp.TsOrDsToDate, exp.TsOrDsToTimestamp,
         exp.Year, exp.Month, exp.Day, exp.DayOfMonth, exp.Trim, exp.Upper, exp.Lower, exp.Concat, exp.ConcatWs,
         exp.Substring, exp.Replace, exp.Pad, exp.Left, exp.Right, exp.Length, exp.Abs, exp.Round, exp.Floor, exp.Ceil,
         exp.Trunc, exp.Sign, exp.Greatest, exp.Least, exp.TimeToStr, exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg,
         exp.Distinct, exp.GroupConcat, exp.JSONObject, exp.JSONKeyValue}
        - {exp.DPipe, exp.NullSafeNEQ}
    ),
    functions=frozenset({"json_array", "json_arrayagg"}),
    list_functions=frozenset({"json_arrayagg"}),
    types=frozenset({"CHAR", "BIGINT", "INT", "DECIMAL", "DATE", "BINARY"}),
    extract=frozenset(),
    formats=frozenset(
        {"%Y-%m-%d", "%Y%m%d", "%Y-%m", "%Y%m", "%Y", "%m", "%d", "%d.%m.%Y", "%H:%i:%s", "%T", "%Y-%m-%d %H:%i:%s",
         "%Y-%m-%d %T"}
    ),
    parser="mysql",
)  # fmt: skip

DIALECTS: dict[str, Allowed] = {"postgres": POSTGRES, "mariadb": MARIADB}

LIST_AGGREGATES = (exp.JSONArrayAgg, exp.GroupConcat, exp.ArrayAgg)
AGGREGATES = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.LogicalAnd, exp.LogicalOr, *LIST_AGGREGATES)

_UNSTABLE = "its value changes without any row changing, so an entity could not be kept up to date"
_UNSTABLE_REMEDY = "leave it out, or capture a table that holds the value (a period or a business date)"

# Refused with a reason of their own; what is in neither table is refused as "not supported".
UNSTABLE_NODES: tuple[type[exp.Expr], ...] = tuple(
    getattr(exp, name)
    for name in (
        "CurrentTimestamp", "CurrentDate", "CurrentTime", "Localtime", "Localtimestamp", "CurrentUser", "Rand", "Randn",
        "Uuid", "SessionUser", "CurrentDatetime", "CurrentSchema", "CurrentCatalog",
    )
    if hasattr(exp, name)
)  # fmt: skip
UNSTABLE_FUNCTIONS = frozenset(
    {"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday", "random", "setseed", "nextval",
     "currval", "lastval", "gen_random_uuid", "uuid_generate_v4", "txid_current", "pg_sleep", "current_setting", "version"}
)  # fmt: skip

REASONS: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Window: (
        "a window function ranks or sums over rows of other entities",
        "use a sub-query grouped by the key, or a correlated one",
    ),
    exp.Any: ("ANY is not analysed", "write IN (…) or EXISTS (…)"),
    exp.All: ("ALL is not analysed", "write NOT EXISTS (…)"),
    exp.WithinGroup: ("an ordered-set aggregate is not analysed", "compute it downstream"),
    exp.Union: ("UNION, EXCEPT and INTERSECT are not supported yet", "use two mappings, or join"),
    exp.Grouping: ("GROUPING belongs to ROLLUP, which yields rows that are no entity", "group by the key"),
    exp.Parameter: ("a mapping takes no parameters", "write the value"),
}


def reason_unstable() -> tuple[str, str]:
    """Why an unstable function is refused, and what to do."""
    return _UNSTABLE, _UNSTABLE_REMEDY
