"""The deployment files fit their schema, the code and one another. (Nothing here starts a container.)"""

from __future__ import annotations

from tests.tools.schema_checks import problems


def test_the_deployment_files_are_right() -> None:
    assert problems() == []
