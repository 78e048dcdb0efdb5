"""What broker and worker have in common: a Java process with a class path, a heap and a properties file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.stack.fetch import HERE, Kit
from sandbox.stack.tools import java

_LOGGING = HERE / "log4j2.xml"


def command(kit: Kit, main: str, arguments: Sequence[str], *, heap: str, options: Sequence[str] = ()) -> list[str]:
    """argv of one Java program."""
    return [
        java(), f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={_LOGGING}", *options, "-cp", kit.classpath, main, *arguments,
    ]  # fmt: skip


def write_properties(path: Path, settings: Mapping[str, object]) -> None:
    """A Java properties file; backslashes are its escape character."""
    lines = [f"{name}={str(value).replace(chr(92), chr(92) * 2)}\n" for name, value in settings.items()]
    path.write_text("".join(lines))
