"""The bill of materials of a tarball, for programs: CycloneDX 1.6 JSON."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model import component as model
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id
from packageurl import PackageURL

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import digest_of
from ssiuml.host.files import write_text
from ssiuml.release.component import Component

NAME: Final = "bill.cdx.json"
# A serial number has to be a UUID. One that is made from the contents is the same for the same contents.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://ssiuml/release")


def write_bill(path: Path, whole: Component, components: Sequence[Component], epoch: int) -> None:
    """Write the bill of *whole*, which consists of *components*, as CycloneDX 1.6 JSON.

    Its time is *epoch*, in seconds since 1970. Its serial number is a digest of the components. Raise
    SsiumlError if two different components have the same package URL.
    """
    known: dict[str, Component] = {}
    for one in (whole, *components):
        # The library would give the second one a random reference.
        if known.setdefault(one.purl, one) != one:
            raise SsiumlError(f"{path.name}: two different components have the package URL {one.purl}")
    contents = digest_of([asdict(one) for one in (whole, *components)])
    bom = Bom(
        components=[_component(one) for one in components],
        metadata=BomMetaData(component=_component(whole), timestamp=datetime.fromtimestamp(epoch, UTC)),
        serial_number=uuid.uuid5(_NAMESPACE, contents),
    )
    if bom.metadata.component is not None:
        bom.register_dependency(bom.metadata.component, bom.components)
    write_text(path, JsonV1Dot6(bom).output_as_string(indent=1) + "\n")


def _component(one: Component) -> model.Component:
    patches = [_patch(name, sha256) for name, sha256 in one.patches]
    references = []
    if one.source.startswith(("http://", "https://")):
        references.append(
            ExternalReference(type=ExternalReferenceType.SOURCE_DISTRIBUTION, url=XsUri(one.source))
        )
    properties = [Property(name="ssiuml:source", value=one.source)] if one.source and not references else []
    return model.Component(
        type=model.ComponentType(one.kind),
        name=one.name,
        version=one.version,
        purl=PackageURL.from_string(one.purl),
        bom_ref=one.purl,
        licenses=[_licence(name) for name in one.licences],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)] if one.sha256 else [],
        external_references=references,
        properties=properties,
        pedigree=model.Pedigree(patches=patches) if patches else None,
    )


def _licence(name: str) -> DisjunctiveLicense:
    """Return a licence by its SPDX identifier, or by its name if SPDX has none."""
    spdx = fixup_id(name)
    return DisjunctiveLicense(name=name) if spdx is None else DisjunctiveLicense(id=spdx)


def _patch(name: str, sha256: str) -> model.Patch:
    url = XsUri(f"patches/{quote(name)}#sha256={sha256}")
    return model.Patch(type=model.PatchClassification.UNOFFICIAL, diff=model.Diff(url=url))
