"""The programs that the stack needs of the machine, and what to install when one is missing."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from sandbox.stack.errors import StackError

# Program → Debian package. Some of them live where an ordinary user's PATH does not lead.
PACKAGES = {
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}
_SYSTEM = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_OLDEST_JAVA = 17


def program(name: str) -> str:
    """Its path; StackError naming the package when it is not there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM])
    found = shutil.which(name, path=path)
    if found is None:
        raise StackError(f"{name} is not installed", remedy=f"install it, on Debian: apt-get install {PACKAGES[name]}")
    return found


@functools.cache
def java() -> str:
    """A Java that can run Kafka: JAVA_HOME's, else the PATH's."""
    home = os.environ.get("JAVA_HOME")
    path = str(Path(home) / "bin" / "java") if home else program("java")
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, check=True, timeout=60).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(
            "this Java does not run", where=path, remedy=f"set JAVA_HOME to a Java 17 or newer; {error}"
        ) from error
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise StackError(
            f"Kafka needs Java {_OLDEST_JAVA} or newer, this is: {said.splitlines()[0] if said else 'unknown'}",
            where=path, remedy=f"apt-get install {PACKAGES['java']}, or set JAVA_HOME",
        )  # fmt: skip
    return path
