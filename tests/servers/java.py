"""Real Java programs: compiled and run by the JDK of the machine, with openai-java from the kit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers import found


def libraries() -> Path:
    """The folder of jars of openai-java; a JDK is there too."""
    folder = found.kit()
    if folder is None or not (folder / "java" / "lib").is_dir():
        found.not_there(found.JAVA, "set BANKASSIST_TEST_KIT to a folder with java/lib")
    return folder / "java" / "lib"


def jdk() -> str:
    """``java`` of a JDK, noted as used."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        found.not_there(found.JAVA, "no JDK: apt-get install default-jdk-headless (`make test` does it for root on Debian)")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    found.note_used(found.JAVA, said.splitlines()[0].replace('"', ""))
    return java


def compiled(out: Path, *sources: Path, libraries: Path | None = None, sourcepath: Path | None = None) -> Path:
    """The folder of the classes of programs of this repository, in which the compiler finds nothing to warn of."""
    jdk()
    options = ["-encoding", "UTF-8", "--release", "17", "-d", str(out), "-Xlint:all,-classfile,-path,-deprecation", "-Werror"]
    options += ["-cp", str(libraries / "*")] if libraries else []
    options += ["-sourcepath", str(sourcepath)] if sourcepath else []
    said = subprocess.run(["javac", *options, *map(str, sources)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return out
