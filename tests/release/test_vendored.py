"""Python packages that the commands bring along: pins and wheels; the packages work alone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from files_on_disk import listing, sha256sum
from programs import LIMIT_S

from ssiuml.errors import SsiumlError
from ssiuml.host.places import cache_root
from ssiuml.release.vendored import Pin, Wheel, fetch_wheels, read_pins

DIGEST = "0" * 64
MADE = {
    "made.py": "answer = 42\n",
    "made_more/__init__.py": "",
    "made_more/data.txt": "data\n",
    "made-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "made-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: made\nVersion: 1.0\nLicense: MIT\n",
    "made-1.0.dist-info/licenses/LICENSE.txt": "Do as you like.\n",
    "made-1.0.dist-info/RECORD": "",
}


def _wheel(folder: Path, **changed: str) -> Path:
    """Make the wheel `made`; *changed* has other texts of members, by the last part of their names."""
    path = folder / "made-1.0-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in MADE.items():
            archive.writestr(name, changed.get(name.rpartition("/")[2], text))
    return path


def _pins(path: Path, digest: str) -> Path:
    path.write_text(f"made==1.0 --hash=sha256:{digest}\n")
    return path


def test_exactly_the_packages_that_the_commands_import_are_pinned() -> None:
    found = read_pins()
    assert {one.name for one in found} == {"tqdm", "filelock"}
    assert len(found) == 2


def test_comments_and_empty_lines_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "pins").write_text(f"# comment\n\n  \na-b.c_d==1.0rc1+x --hash=sha256:{DIGEST}\n")
    assert read_pins(tmp_path / "pins") == [Pin("a-b.c_d", "1.0rc1+x", DIGEST)]


@pytest.mark.parametrize(
    "line",
    [
        "sh",
        "sh==2.0",
        f"sh>=2.0 --hash=sha256:{DIGEST}",
        f"sh==2.0 --hash=md5:{DIGEST}",
        f"sh==2.0 --hash=sha256:{DIGEST[1:]}",
        f"sh==2.0 --hash=sha256:{DIGEST} --hash=sha256:{DIGEST}",
        f"sh[x]==2.0 --hash=sha256:{DIGEST}",
        f"./sh.whl --hash=sha256:{DIGEST}",
        "--index-url https://example.org/",
        "-r other.txt",
    ],
)
def test_any_other_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "pins").write_text(f"# comment\n{line}\n")
    with pytest.raises(SsiumlError, match=r"pins:2: '.*' is not a pin"):
        read_pins(tmp_path / "pins")


def test_a_wheel_in_the_folder_is_used_without_a_network(tmp_path: Path) -> None:
    path = _wheel(tmp_path / "wheels")
    pins = _pins(tmp_path / "pins", sha256sum(path))
    (tmp_path / "wheels" / "damaged.whl").write_bytes(b"no archive")
    assert fetch_wheels(tmp_path / "wheels", offline=True, requirements=pins) == [
        Wheel(path, "made", "1.0", "MIT", sha256sum(path))
    ]


def test_a_missing_wheel_offline_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match="offline is set") as caught:
        fetch_wheels(tmp_path, offline=True)
    assert caught.value.hint is not None
    assert "./run release" in caught.value.hint


def test_a_wheel_with_another_digest_is_not_used(tmp_path: Path) -> None:
    _wheel(tmp_path / "wheels")
    with pytest.raises(SsiumlError, match="lacks packages of pins"):
        fetch_wheels(tmp_path / "wheels", offline=True, requirements=_pins(tmp_path / "pins", DIGEST))


def test_pip_refuses_a_download_with_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(SsiumlError, match="DO NOT MATCH THE HASHES"):
        fetch_wheels(tmp_path / "wheels", offline=False, requirements=_pins(tmp_path / "pins", DIGEST))
    assert list((tmp_path / "wheels").iterdir()) == []


def test_a_wheel_that_pip_fetched_stays_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _wheel(tmp_path / "index")
    pins = _pins(tmp_path / "pins", sha256sum(path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (fetched,) = fetch_wheels(tmp_path / "wheels", offline=False, requirements=pins)
    assert fetched.path == tmp_path / "wheels" / path.name
    assert fetch_wheels(tmp_path / "wheels", offline=True, requirements=pins) == [fetched]


@pytest.mark.parametrize("text", ["Root-Is-Purelib: false\n", "Wheel-Version: 1.0\n"])
def test_a_wheel_that_is_not_pure_is_refused(tmp_path: Path, text: str) -> None:
    path = _wheel(tmp_path / "wheels", WHEEL=text)
    with pytest.raises(SsiumlError, match="is not pure Python"):
        fetch_wheels(
            tmp_path / "wheels", offline=True, requirements=_pins(tmp_path / "pins", sha256sum(path))
        )


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("License-Expression: MPL-2.0 AND MIT\nLicense: x\n", "MPL-2.0 AND MIT"),
        ("License: BSD\n", "BSD"),
        ("Name: made\n", "unknown"),
    ],
)
def test_the_licence_is_that_of_the_metadata(tmp_path: Path, text: str, licence: str) -> None:
    path = _wheel(tmp_path / "wheels", METADATA=text)
    pins = _pins(tmp_path / "pins", sha256sum(path))
    assert fetch_wheels(tmp_path / "wheels", offline=True, requirements=pins)[0].licence == licence


def test_only_modules_and_licences_are_unpacked(tmp_path: Path) -> None:
    wheel = Wheel(_wheel(tmp_path), "made", "1.0", "MIT", DIGEST)
    wheel.unpack(tmp_path / "out" / "python", tmp_path / "out" / "licences")
    assert [line.split()[2] for line in listing(tmp_path / "out") if line.startswith("f")] == [
        "licences/made/LICENSE.txt",
        "python/made.py",
        "python/made_more/__init__.py",
    ]
    assert (tmp_path / "out/python/made.py").read_text() == "answer = 42\n"


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "made/../../out.py", "x.dist-info/../../LICENSE"])
def test_a_member_whose_path_leads_out_of_the_wheel_is_refused(tmp_path: Path, name: str) -> None:
    path = _wheel(tmp_path / "wheels")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(SsiumlError, match="a path that leads out of it"):
        Wheel(path, "made", "1.0", "MIT", DIGEST).unpack(tmp_path / "a" / "b", tmp_path / "c" / "d")
    assert not list(tmp_path.rglob("out.py"))
    assert not list(tmp_path.glob("*/LICENSE"))


def test_the_pinned_packages_run_alone(tmp_path: Path) -> None:
    wheels = fetch_wheels(cache_root(os.environ) / "downloads" / "python", offline=False)
    assert {wheel.licence for wheel in wheels} == {"MIT", "MPL-2.0 AND MIT"}
    for wheel in wheels:
        wheel.unpack(tmp_path / "python", tmp_path / "licences")
        assert list((tmp_path / "licences" / wheel.name).iterdir())
    lines = [
        "import sys",
        "sys.path[:] = [path for path in sys.path if 'site-packages' not in path] + sys.argv[1:]",
        "import tqdm, filelock",
        "assert all(each.__file__.startswith(sys.argv[1]) for each in (tqdm, filelock))",
        "assert list(tqdm.tqdm(range(3), disable=True)) == [0, 1, 2]",
        "filelock.FileLock(sys.argv[1] + '/lock').acquire().lock.release()",
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "\n".join(lines), tmp_path / "python"],
        capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
