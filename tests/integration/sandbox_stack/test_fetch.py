"""What Maven brings: what the documentation says, whole, once, however many ask."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sandbox.stack import tools
from sandbox.stack.errors import StackError
from sandbox.stack.fetch import LISTS, Kit, fetch

ROOT = Path(__file__).parents[3]
FETCH = "from pathlib import Path; import sys; from sandbox.stack.fetch import fetch; print(fetch(Path(sys.argv[1])).directory)"


def listed() -> dict[str, str]:
    """artifact → version, of both lists."""
    found = {}
    for file in LISTS:
        for dependency in ET.parse(file).getroot().iter("dependency"):
            found[dependency.findtext("artifactId", "")] = dependency.findtext("version", "")
    return found


def documented() -> dict[str, str]:
    text = (ROOT / "docs" / "native-stack.md").read_text()
    return dict(re.findall(r"^\| ([a-z0-9_.-]+) \| (\d\S*) \|$", text, re.MULTILINE))


def names(kit: Kit) -> str:
    return "\n".join(path.name for path in kit.directory.rglob("*.jar"))


def test_the_documentation_names_the_versions_of_the_lists() -> None:
    assert documented() == listed()


def test_broker_and_worker_have_one_version() -> None:
    assert listed()["kafka_2.13"] == listed()["connect-runtime"]


def test_no_list_names_a_repository() -> None:
    for file in LISTS:
        found = ET.parse(file).getroot()
        assert not [*found.iter("repository"), *found.iter("pluginRepository")]


@pytest.mark.stack
def test_the_fetched_versions_are_the_listed_ones() -> None:
    there = names(fetch())
    for artifact, version in listed().items():
        assert f"{artifact}-{version}.jar" in there
    assert sorted(path.name for path in fetch().plugins.iterdir()) == [
        "debezium-connector-mariadb", "debezium-connector-postgres",
    ]  # fmt: skip


@pytest.mark.stack
def test_two_processes_that_fetch_at_once_get_one_whole_kit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FETCH, str(tmp_path)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=240)[0] for process in both]
    assert said[0] == said[1]
    kit = Kit(Path(said[0].strip()))
    assert kit.complete()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["lock", kit.directory.name])
    lost = next(kit.libraries.glob("kafka-clients-*.jar"))
    lost.unlink()
    assert not kit.complete()
    assert fetch(tmp_path) == kit
    assert lost.exists(), "a kit that lost a file is fetched again"


def test_a_fetch_that_fails_says_what_maven_said_and_leaves_no_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text("#!/bin/sh\necho no route to the repository\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{maven.parent}:/usr/bin:/bin")
    with pytest.raises(StackError, match="no route to the repository"):
        fetch(tmp_path / "kits")
    assert [path.name for path in (tmp_path / "kits").iterdir()] == ["lock"]


@pytest.mark.parametrize("name", sorted(tools.PACKAGES))
def test_a_missing_program_is_named_with_its_package(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "_SYSTEM", ())
    with pytest.raises(StackError, match=f"{name} is not installed.*apt-get install {tools.PACKAGES[name]}"):
        tools.program(name)


def java_that_says(directory: Path, text: str) -> None:
    program = directory / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{text}' >&2\n")
    program.chmod(0o755)


@pytest.mark.parametrize("said", ['openjdk version "11.0.21" 2023-10-17', 'java version "1.8.0_392"', "hello"])
def test_a_java_that_is_too_old_is_refused_by_its_version(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java_that_says(tmp_path, said)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    tools.java.cache_clear()
    with pytest.raises(StackError, match=f"Java 17 or newer, this is: {re.escape(said)}"):
        tools.java()


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    tools.java.cache_clear()
    with pytest.raises(StackError, match=r"does not run \(.*nothing/bin/java\)"):
        tools.java()


def test_a_kit_without_its_manifest_is_not_whole(tmp_path: Path) -> None:
    assert not Kit(tmp_path).complete()
    shutil.copy(LISTS[0], tmp_path / "manifest.json")
    assert not Kit(tmp_path).complete()
