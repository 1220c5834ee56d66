"""Bills of materials; CycloneDX's own schema judges them."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from ssiuml.errors import SsiumlError
from ssiuml.release.bill import NAME, write_bill
from ssiuml.release.component import Component
from ssiuml.release.packages import debian_component

EPOCH = 1_700_000_000
SHA = "ab" * 32


def _component(name: str, version: str = "1", **more: Any) -> Component:
    return Component(
        name=name, version=version, purl=PackageURL("generic", None, name, version).to_string(), **more
    )


WHOLE = _component("ssiuml-root-0.1-1", kind="operating-system")
COMPONENTS = {
    "plain": _component("plain"),
    "no version": Component(name="x", version="", purl="pkg:generic/x", kind="file"),
    "licences": _component("l", licences=["MIT", "GPL-2.0-or-later", "GPL-2+ with OpenSSL exception", "GPL"]),
    "an expression": _component("e", licences=["MPL-2.0 AND MIT"]),
    "odd licences": _component("o", licences=["unknown", "\u00fc \"<>'", "x" * 300]),
    "digest": _component("d", sha256=SHA),
    "a source on the web": _component("w", source="https://example.org/a b/%20?x=1&y=[2]#z"),
    "a source elsewhere": _component("s", source="file:///srv/x and more"),
    "patches": _component(
        "p", kind="operating-system", patches=[("0001 a b#c%.patch", SHA), ("0002.patch", SHA)]
    ),
    "odd name": _component("g++-12/lib@x \u00fc", "1:2.3~rc1+b1-4"),
    "a package": debian_component(
        "debian", "bookworm", "libstdc++6", "12.2.0-14+deb12u1", "amd64", "gcc-12 (12.2.0~x)", sha256=SHA
    ),
    "an epoch": debian_component("debian", "bookworm", "x", "1:2.3~rc1-4", "all"),
}


def _written(path: Path, whole: Component, components: list[Component]) -> dict[str, Any]:
    write_bill(path, whole, components, EPOCH)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text(encoding="utf-8"))
    assert error is None, error
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_bill_with_any_component_is_valid(tmp_path: Path, name: str) -> None:
    component = COMPONENTS[name]
    (written,) = _written(tmp_path / NAME, WHOLE, [component])["components"]
    assert written["name"] == component.name
    assert written.get("version", "") == component.version
    assert PackageURL.from_string(written["purl"]) == PackageURL.from_string(component.purl)


def test_a_bill_of_all_components_is_valid_and_depends_on_each(tmp_path: Path) -> None:
    values = _written(tmp_path / NAME, WHOLE, list(COMPONENTS.values()))
    assert values["specVersion"] == "1.6"
    assert len(values["components"]) == len(COMPONENTS)
    whole = values["metadata"]["component"]
    assert (whole["name"], whole["type"]) == (WHOLE.name, "operating-system")
    depends = {each["ref"]: each.get("dependsOn", []) for each in values["dependencies"]}
    assert set(depends[whole["bom-ref"]]) == {each["bom-ref"] for each in values["components"]}


def test_a_bill_without_components_is_valid(tmp_path: Path) -> None:
    assert _written(tmp_path / NAME, WHOLE, []).get("components", []) == []


def test_a_bill_has_digest_licences_patches_and_source_of_a_component(tmp_path: Path) -> None:
    values = _written(tmp_path / NAME, WHOLE, list(COMPONENTS.values()))
    by_name = {each["name"]: each for each in values["components"]}
    assert by_name["d"]["hashes"] == [{"alg": "SHA-256", "content": SHA}]
    names = {each["license"].get("id") or each["license"]["name"] for each in by_name["l"]["licenses"]}
    assert names == {"MIT", "GPL-2.0-or-later", "GPL-2+ with OpenSSL exception", "GPL"}
    assert [each["diff"]["url"] for each in by_name["p"]["pedigree"]["patches"]] == [
        f"patches/0001%20a%20b%23c%25.patch#sha256={SHA}",
        f"patches/0002.patch#sha256={SHA}",
    ]
    assert by_name["s"]["properties"] == [{"name": "ssiuml:source", "value": "file:///srv/x and more"}]
    (reference,) = by_name["libstdc++6"]["externalReferences"]
    assert reference["url"] == "https://snapshot.debian.org/package/gcc-12/12.2.0~x/"
    assert by_name["libstdc++6"]["purl"].startswith("pkg:deb/debian/libstdc")


def test_the_same_components_give_the_same_bytes_and_others_another_serial_number(tmp_path: Path) -> None:
    components = list(COMPONENTS.values())
    one = _written(tmp_path / "1", WHOLE, components)
    _written(tmp_path / "2", WHOLE, components)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    other = _written(tmp_path / "3", WHOLE, components[1:])
    numbers = {re.sub("^urn:uuid:", "", each["serialNumber"]) for each in (one, other)}
    assert len({uuid.UUID(number) for number in numbers}) == 2


def test_the_epoch_is_the_only_time_in_a_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    values = _written(tmp_path / NAME, WHOLE, list(COMPONENTS.values()))
    assert values["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_one_package_of_two_architectures_is_two_components(tmp_path: Path) -> None:
    both = [debian_component("debian", "bookworm", "libc6", "2.36-9", each) for each in ("amd64", "i386")]
    assert len(_written(tmp_path / NAME, WHOLE, both)["components"]) == 2


def test_one_purl_of_two_components_is_refused_and_a_repeated_component_is_listed_once(
    tmp_path: Path,
) -> None:
    twice = [_component("x", licences=["MIT"]), _component("x", licences=["MIT"])]
    assert len(_written(tmp_path / NAME, WHOLE, twice)["components"]) == 1
    with pytest.raises(SsiumlError, match="pkg:generic/x@1"):
        write_bill(tmp_path / NAME, WHOLE, [_component("x", licences=["MIT"]), _component("x")], EPOCH)
