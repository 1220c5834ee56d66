"""Packages from a real apt-get with lists of its own. All tests share one `apt-get update`."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from http_server import web_server
from project import PROJECT

from ssiuml.debian.apt import Apt, NoPackageError, NoVersionError, archives, sources_list
from ssiuml.debian.fetch import fetch_debs, path_of
from ssiuml.errors import RecipeError, SsiumlError
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.packages import Packages
from ssiuml.pipeline.plan import make_plan
from ssiuml.recipe.distribution import PackagesDistribution

DEBIAN: Mapping[str, Any] = {
    "name": "debian",
    "suite": "bookworm",
    "mirror": "http://deb.debian.org/debian",
    "components": ["main"],
}


def distribution(**changes: Any) -> PackagesDistribution:
    return PackagesDistribution.model_validate({**DEBIAN, **changes})


def lines_of(text: str) -> list[list[str]]:
    """sources.list(5), one-line style, without the options."""
    entries = []
    for line in text.splitlines():
        kind, option, *words = line.split()
        assert kind == "deb"
        assert option.startswith("[signed-by=/")
        entries.append(words)
    return entries


def test_without_a_security_mirror_there_are_release_and_updates() -> None:
    mirror = "http://deb.debian.org/debian"
    assert lines_of(sources_list(distribution())) == [
        [mirror, "bookworm", "main"],
        [mirror, "bookworm-updates", "main"],
    ]


def test_with_a_security_mirror_there_is_a_line_for_it() -> None:
    chosen = distribution(
        security_mirror="http://deb.debian.org/debian-security", components=["main", "contrib"]
    )
    assert lines_of(sources_list(chosen))[2] == [
        "http://deb.debian.org/debian-security",
        "bookworm-security",
        "main",
        "contrib",
    ]


def test_a_snapshot_replaces_the_mirrors() -> None:
    chosen = distribution(
        snapshot="20260101T000000Z", security_mirror="http://deb.debian.org/debian-security"
    )
    assert [words[0] for words in lines_of(sources_list(chosen))] == [
        "http://snapshot.debian.org/archive/debian/20260101T000000Z",
        "http://snapshot.debian.org/archive/debian/20260101T000000Z",
        "http://snapshot.debian.org/archive/debian-security/20260101T000000Z",
    ]


def test_a_snapshot_without_a_security_mirror_has_no_security() -> None:
    assert len(lines_of(sources_list(distribution(snapshot="20260101T000000Z")))) == 2


def test_a_single_suite_is_of_the_mirror_or_its_snapshot() -> None:
    backports = "trixie-backports"
    mirror = "http://deb.debian.org/debian"
    assert lines_of(sources_list(distribution(), backports)) == [[mirror, backports, "main"]]
    (words,) = lines_of(sources_list(distribution(snapshot="20260101T000000Z"), backports))
    assert words[0] == "http://snapshot.debian.org/archive/debian/20260101T000000Z"


def test_mirror_without_a_release_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    # A recipe cannot name this URL, but the error is that of a server without a Release file. Without a
    # network apt-get takes some seconds: see test_dodo.py.
    empty = distribution().model_copy(update={"mirror": f"file:{tmp_path}/empty"})
    with pytest.raises(SsiumlError, match="cannot be fetched") as caught:
        Apt(tmp_path / "apt", empty).update()
    assert f"{tmp_path}/empty" in str(caught.value)
    assert "Release" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (407, "407  Proxy Authentication Required [IP: "),
        (None, "Clearsigned file isn't valid, got 'NOSPLIT' (does the network require authentication?)\n"),
    ],
)
def test_a_proxy_that_wants_a_password_is_named_and_not_the_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, said: str
) -> None:
    # apt prints its errors in varying order, more so with three lists.
    chosen = distribution(security_mirror="http://deb.debian.org/debian-security")
    with web_server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        monkeypatch.delenv("no_proxy", raising=False)
        for name in ("debian/dists/bookworm", "debian/dists/bookworm-updates"):
            proxy.serve(f"http://deb.debian.org/{name}/InRelease", b"<html>log in</html>", status=status)
        security = "http://deb.debian.org/debian-security/dists/bookworm-security/InRelease"
        proxy.serve(security, b"<html>log in</html>", status=status)
        with pytest.raises(SsiumlError) as caught:
            Apt(tmp_path / "apt", chosen).update()
    message = str(caught.value)
    before = "the package lists of bookworm cannot be fetched: Failed to fetch http://deb.debian.org/debian"
    assert message.startswith(before)
    assert said in message
    assert "not signed" not in message
    assert message.endswith(
        "\n  set http_proxy to http://USER:PASSWORD@HOST:PORT, if the proxy there wants a password"
    )


@pytest.fixture(scope="module")
def apt(tmp_path_factory: pytest.TempPathFactory) -> Apt:
    """An apt with the real lists of bookworm."""
    apt = Apt(tmp_path_factory.mktemp("apt") / "apt", distribution())
    apt.update()
    return apt


def test_a_package_is_found_and_is_that_package(apt: Apt, tmp_path: Path) -> None:
    deb = apt.find("usr-is-merged")
    fetch_debs({"usr-is-merged": deb}, folder=tmp_path, archives=archives(apt.distribution))
    fields = subprocess.run(
        ["dpkg-deb", "-W", "--showformat=${Package} ${Version} ${Architecture}", path_of(tmp_path, deb)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert fields.stdout == f"usr-is-merged {deb.version} {deb.architecture}"
    assert apt.find("usr-is-merged", deb.version) == deb


def test_unknown_version_is_an_error_that_names_the_versions(apt: Apt) -> None:
    with pytest.raises(NoVersionError, match=r"usr-is-merged is not there in version 1:2") as caught:
        apt.find("usr-is-merged", "1:2")
    assert apt.find("usr-is-merged").version in caught.value.there.split(", ")


def test_unknown_package_is_an_error_that_names_it(apt: Apt) -> None:
    with pytest.raises(NoPackageError) as caught:
        apt.find("no-such-package-1")
    assert caught.value.names == ["no-such-package-1"]


def test_chosen_packages_have_their_dependencies_and_what_debian_requires(apt: Apt) -> None:
    """apt is the judge: with the chosen packages installed, nothing is broken or missing."""
    chosen = apt.resolve(["netbase", "openssh-server"])
    assert {"netbase", "openssh-server", "libc6", "bash", "dpkg"} <= chosen.packages.keys()
    assert "apt" in chosen.required
    assert chosen.packages["libc6"].file.startswith("pool/")
    environ = {**os.environ, "APT_CONFIG": str(apt.folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
    names = [f"{name}={deb.version}" for name, deb in chosen.packages.items()]
    shown = subprocess.run(
        ["apt-cache", "show", *names], env=environ, capture_output=True, text=True, check=True
    )
    status = apt.folder / "status-of-test"
    status.write_text(
        re.sub(r"^Package: .*", r"\g<0>\nStatus: install ok installed", shown.stdout, flags=re.M)
    )
    words = ["-s", "-o", f"Dir::State::status={status}", "dist-upgrade"]
    planned = subprocess.run(["apt-get", *words], env=environ, capture_output=True, text=True, check=True)
    assert "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded" in planned.stdout


def test_second_of_two_alternatives_is_chosen_for_an_essential_package_if_it_was_asked_for(apt: Apt) -> None:
    """init-system-helpers of bookworm, which is essential, needs usrmerge or usr-is-merged."""
    chosen = apt.resolve(["usr-is-merged"]).packages
    assert {"init-system-helpers", "usr-is-merged", "perl-base"} <= chosen.keys()
    assert not {"usrmerge", "perl", "libperl5.36"} & chosen.keys()
    assert {"usrmerge", "perl"} <= apt.resolve(["netbase"]).packages.keys()


def test_unknown_packages_are_all_named_at_once(apt: Apt) -> None:
    with pytest.raises(NoPackageError) as caught:
        apt.resolve(["netbase", "no-such-package-1", "no-such-package-2"])
    assert caught.value.names == ["no-such-package-1", "no-such-package-2"]


def test_virtual_package_without_a_candidate_is_an_error(apt: Apt) -> None:
    with pytest.raises(NoPackageError) as caught:
        apt.resolve(["mail-transport-agent"])
    assert caught.value.names == ["mail-transport-agent"]


def test_unknown_package_is_an_error_with_recipe_and_line(
    apt: Apt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    for path in (PROJECT / "recipes").glob("*.yaml"):
        (tmp_path / "recipes" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "recipes" / "mine.yaml").write_text(
        "description: mine\nextends: bookworm\n"
        "kernel:\n  package: usr-is-merged\n"
        "packages:\n  - netbase\n  - no-such-package-1\n"
        "extra_packages:\n  - no-such-package-2\n"
    )
    plan = make_plan("mine", tmp_path, {"SSIUML_CACHE": str(tmp_path / "cache")})
    monkeypatch.setattr(Packages, "_apt_of", lambda self, suite: apt)
    monkeypatch.setattr(Apt, "update", lambda self: None)
    with pytest.raises(RecipeError) as caught:
        Graph(plan).steps["fetch"].run()
    message = str(caught.value)
    assert "recipes/mine.yaml:7: packages[1]: 'no-such-package-1' is not in bookworm" in message
    assert "recipes/mine.yaml:9: extra_packages[0]: 'no-such-package-2' is not in bookworm" in message
    assert not Graph(plan).steps["fetch"].stamp.exists()


def test_apt_keeps_everything_in_its_folder(apt: Apt) -> None:
    """apt-config is the judge: it prints the folders that apt uses."""
    text = subprocess.run(
        ["apt-config", "dump", "--format", "%f=%v%n"],
        env={**os.environ, "APT_CONFIG": str(apt.folder / "apt.conf")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    for key in ("Dir::State", "Dir::State::status", "Dir::Cache", "Dir::Etc::sourcelist", "Dir::Etc"):
        assert values[key].startswith(str(apt.folder)), key
    assert values["APT::Architecture"] == "amd64"


@pytest.mark.parametrize(("snapshot", "check"), [(None, "true"), ("20260101T000000Z", "false")])
def test_only_lists_of_a_snapshot_may_have_expired(tmp_path: Path, snapshot: str | None, check: str) -> None:
    apt = Apt(tmp_path, distribution(snapshot=snapshot))
    assert f'Acquire::Check-Valid-Until "{check}";' in apt._configuration(tmp_path)
