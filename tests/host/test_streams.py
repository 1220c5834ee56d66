"""The standard streams, in processes of their own: closed, full, with a reader that has gone."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """\
import os, sys
from ssiuml.host import streams
made = streams.make_lasting("stdout", "stderr")
with open(os.environ["REPORT"], "w") as report:
    print(report.fileno() > 2, *[os.get_inheritable(fd) for fd in (0, 1, 2)], file=report)
    print("x" * 100_000)
    print("y", file=sys.stderr)
    sys.stdout.flush()
    print(*[each.error and each.error.strerror for each in made], sep=", ", file=report)
"""


@pytest.mark.parametrize(
    ("redirected", "errors"),
    [
        ("", "None, None"),
        ("| true", "None, None"),
        ("2>&1 | true", "None, None"),
        (">&-", "None, None"),
        ("<&- >&- 2>&-", "None, None"),
        (">/dev/full", "No space left on device, None"),
        ("2>/dev/full", "None, No space left on device"),
    ],
)
def test_all_output_is_taken(tmp_path: Path, redirected: str, errors: str) -> None:
    report = tmp_path / "report"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$0" -c "$1" {redirected}', sys.executable, SCRIPT],
        env={"REPORT": str(report), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert report.read_text() == f"True True True True\n{errors}\n"
