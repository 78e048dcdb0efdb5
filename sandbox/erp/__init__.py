"""A pretend Dynamics 365 Finance & Operations tenant on loopback; its contract is RULES.md beside this."""

from sandbox.erp.config import Company, Settings
from sandbox.erp.server import ErpSandbox

__all__ = ["Company", "ErpSandbox", "Settings"]
