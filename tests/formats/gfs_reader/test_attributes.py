"""Wrong extended attributes are reported."""

import pytest
from editable_image import EditableImage, findings_after

from ssiuml.formats.gfs.structures import EaHeader


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_double_attribute_and_a_missing_last_one_are_reported_and_a_gap_is_not(
    images: dict[bool, bytes], is_gfs1: bool
) -> None:
    """The block holds security.capability, user.a and user.b."""

    def record(image: EditableImage, number: int) -> int:
        start = image.places["ea"]
        for _ in range(number):
            start += EaHeader.unpack(image.data, start).ea_rec_len
        return start

    def twice(image: EditableImage) -> None:
        assert image.data[record(image, 2) + 16 : record(image, 2) + 17] == b"b"
        image.data[record(image, 2) + 16] = ord("a")

    def no_last(image: EditableImage) -> None:
        image.data[record(image, 2) + EaHeader.offset_of("ea_flags")] = 0

    def gap(image: EditableImage) -> None:
        image.data[record(image, 1) + EaHeader.offset_of("ea_type")] = 0

    assert any("attribute: 'user.a' occurs twice" in line for line in findings_after(images, is_gfs1, twice))
    assert any(
        "attribute: no record is marked as the last" in line
        for line in findings_after(images, is_gfs1, no_last)
    )
    assert findings_after(images, is_gfs1, gap) == []  # Linux leaves a gap where an attribute was removed
