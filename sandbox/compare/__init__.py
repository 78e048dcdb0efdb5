"""All sides compared from their own records: the legacy databases, and what the ERP sandbox wrote down.

Hand-written SQL and nothing of the connector: it must not repeat the connector's mistakes.
"""

from sandbox.compare.compare import compare
from sandbox.compare.result import Comparison, Row, render

__all__ = ["Comparison", "Row", "compare", "render"]
