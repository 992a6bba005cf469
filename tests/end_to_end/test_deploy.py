"""What stands in `deploy/` is true: its commands run, its units are valid, its image would hold all that is needed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import idle_shop
import pytest
import yaml
from program import Program

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTALLED = "/opt/forecasting/bin/forecasting"
JOB = '[jobs.nightly-demand]\ntask = "idle"\ncron = "0 2 * * *"\ntimezone = "Europe/Berlin"\n'


def unit(name: str, key: str) -> list[str]:
    """The values of a key in a unit file."""
    lines = (DEPLOY / name).read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def instructions(name: str) -> list[str]:
    """The values of an instruction of the Dockerfile."""
    return re.findall(rf"^{name} (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def in_exec_form(name: str) -> list[str]:
    """The words of the one CMD, ENTRYPOINT or HEALTHCHECK."""
    (text,) = re.findall(rf"^{name} .*?(\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return json.loads(text)


@pytest.fixture
def idle(program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A warehouse with a job of the name that the files use."""
    return idle_shop.create(program, monkeypatch, settings=JOB)


def serves_until_it_is_told_to_stop(program: Program, arguments: list[str]) -> None:
    """A scheduler that comes up, shows its metrics, runs what is due, and ends within ten seconds."""
    port = arguments.index("--metrics-port") + 1
    arguments = [*arguments[:port], "0", *arguments[port + 1 :]]
    process = program.start(*arguments, "--verbose")
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"metrics at (http://\S+)", line):
                address = found[1].replace("0.0.0.0", "127.0.0.1")
            if "ended, exit code 0" in line:
                break
        with urllib.request.urlopen(address) as answer:
            assert "forecasting_up 1.0" in answer.read().decode()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0 and time.monotonic() - began < 10
    finally:
        process.kill()
        process.communicate()


def test_the_commands_of_the_units(idle: Program) -> None:
    if idle.url.startswith("postgresql"):
        pytest.skip("once will do")
    for command in unit("forecasting.service", "ExecStartPre"):
        idle(*shlex.split(command.removeprefix(INSTALLED)))
    (command,) = unit("forecasting.service", "ExecStart")
    serves_until_it_is_told_to_stop(idle, shlex.split(command.removeprefix(INSTALLED)))
    (command,) = unit("forecasting-job@.service", "ExecStart")
    arguments = shlex.split(command.removeprefix(INSTALLED).replace("%i", "nightly-demand"))
    idle(*arguments, code=[int(code) for code in unit("forecasting-job@.service", "SuccessExitStatus")[0].split()])


def test_the_commands_of_the_image(idle: Program) -> None:
    if idle.url.startswith("sqlite"):
        pytest.skip("once will do")
    assert in_exec_form("ENTRYPOINT") == ["forecasting"]
    health = in_exec_form("HEALTHCHECK")
    assert health[0] == "forecasting"
    idle(*health[1:])
    serves_until_it_is_told_to_stop(idle, in_exec_form("CMD"))


def test_the_command_of_the_cron_job(idle: Program, tmp_path: Path) -> None:
    if idle.url.startswith("postgresql"):
        pytest.skip("once will do")
    (container,) = yaml.safe_load((DEPLOY / "cronjob.yaml").read_text())["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ]["containers"]
    program = tmp_path / "bin" / "forecasting"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m forecasting.app.main "$@"\n')
    program.chmod(0o755)
    environment = idle.environment()
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"

    def ended(script: str) -> int:
        line = [*container["command"], script]
        return subprocess.run(line, cwd=idle.directory, env=environment, check=False, capture_output=True).returncode

    (script,) = container["args"]
    assert ended(script) == 0
    assert ended(script) == 0  # the second time it is done
    assert ended(script.replace("nightly-demand", "nothing")) == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("name", ["forecasting.service", "forecasting-job@.service", "forecasting-job@.timer"])
def test_systemd_takes_the_units(name: str, tmp_path: Path) -> None:
    for file in DEPLOY.glob("forecasting*"):
        (tmp_path / file.name).write_text(file.read_text().replace(INSTALLED, "/bin/true"))
    target = tmp_path / name.replace("@.", "@nightly-demand.")
    verified = subprocess.run(["systemd-analyze", "verify", str(target)], capture_output=True, text=True, check=False)
    complaints = [line for line in verified.stderr.splitlines() if str(tmp_path) in line or "forecasting" in line]
    assert verified.returncode == 0 and not complaints, verified.stderr


def test_the_image_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    copied = [word for line in instructions("COPY") for word in line.split()[:-1]]
    source = tmp_path / "source"
    for name in copied:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            source.mkdir(exist_ok=True)
            shutil.copy(path, source / name)
    (install,) = (line for line in instructions("RUN") if line.startswith("pip install"))
    assert shlex.split(install)[-1] == "." and "-c constraints.txt" in install
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(build, cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    packages = [name for name in copied if (ROOT / name).is_dir()]
    wanted = {
        str(path.relative_to(source)) for name in packages for path in (source / name).rglob("*") if path.is_file()
    }
    assert len(wanted) > 300 and wanted <= held, sorted(wanted - held)[:5]


def test_other_schedulers_code_is_code_and_calls_the_job() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    calling = [block for block in blocks if "nightly" in block]
    for block in calling:
        compile(block, "README.md", "exec")
        assert "--job" in block and "nightly-demand" in block
    assert len(calling) == 2


def test_the_shell_of_airflows_operator(tmp_path: Path) -> None:
    """Exit code 3 has published, 5 is left to be skipped, others fail."""
    (line,) = re.findall(r'"(cd /srv/forecasting; .*)"$', (ROOT / "README.md").read_text(), re.MULTILINE)
    for code, expected in ((0, 0), (3, 0), (5, 5), (4, 4), (1, 1)):
        script = line.replace("cd /srv/forecasting; ", "").replace(".venv/bin/forecasting", f"sh -c 'exit {code}'")
        assert subprocess.run(["bash", "-c", script], check=False).returncode == expected
