"""The bill of materials of a tarball for programs: CycloneDX 1.6 JSON."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType, Diff, Patch, PatchClassification, Pedigree
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id
from packageurl import PackageURL

from ssiuml.host.files import write_text
from ssiuml.release import ReleaseError
from ssiuml.release.part import Part

NAME: Final = "bill.cdx.json"
# The serial number has to be a UUID; one from the contents is the same for the same contents.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://ssiuml/release")


def write_bill(path: Path, whole: Part, parts: Sequence[Part], epoch: int) -> None:
    """Write the bill of *whole*, which consists of *parts*, as CycloneDX 1.6 JSON.

    Its time is *epoch* (seconds since 1970), its serial number goes by the contents. ReleaseError if parts
    that differ have the same URL.
    """
    known: dict[str, Part] = {}
    for part in (whole, *parts):
        # The library would give the second one a random name.
        if known.setdefault(part.url, part) != part:
            raise ReleaseError(f"{path.name}: two parts are called {part.url}, and are not the same")
    bom = Bom(
        components=[_component(part) for part in parts],
        metadata=BomMetaData(component=_component(whole), timestamp=datetime.fromtimestamp(epoch, UTC)),
        serial_number=uuid.uuid5(_NAMESPACE, repr((whole, parts))),
    )
    if bom.metadata.component is not None:
        bom.register_dependency(bom.metadata.component, bom.components)
    write_text(path, JsonV1Dot6(bom).output_as_string(indent=1) + "\n")


def _component(part: Part) -> Component:
    patches = [_patch(name, sha256) for name, sha256 in part.patches]
    references = []
    if part.source.startswith(("http://", "https://")):
        references.append(
            ExternalReference(type=ExternalReferenceType.SOURCE_DISTRIBUTION, url=XsUri(part.source))
        )
    properties = [Property(name="ssiuml:source", value=part.source)] if part.source and not references else []
    return Component(
        type=ComponentType(part.kind),
        name=part.name,
        version=part.version,
        purl=PackageURL.from_string(part.url),
        bom_ref=part.url,
        licenses=[_licence(name) for name in part.licences],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=part.sha256)] if part.sha256 else [],
        external_references=references,
        properties=properties,
        pedigree=Pedigree(patches=patches) if patches else None,
    )


def _licence(name: str) -> DisjunctiveLicense:
    """By SPDX's identifier, or by its name if it is none."""
    spdx = fixup_id(name)
    return DisjunctiveLicense(name=name) if spdx is None else DisjunctiveLicense(id=spdx)


def _patch(name: str, sha256: str) -> Patch:
    return Patch(
        type=PatchClassification.UNOFFICIAL, diff=Diff(url=XsUri(f"patches/{quote(name)}#sha256={sha256}"))
    )
