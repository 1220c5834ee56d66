"""The plan: what comes from the environment, and what two plans share."""

from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.debian import base
from ssiuml.debian.deb import Deb, Selection
from ssiuml.errors import RecipeError, UsageError
from ssiuml.host.cache import Key
from ssiuml.pipeline.packages import Packages
from ssiuml.pipeline.plan import Plan, make_plan
from ssiuml.pipeline.steps.fetch import stamp_of

SELECTION = Selection(
    required=[],
    packages={"acl": Deb(version="1", architecture="amd64", size=1, sha256="0" * 64, file="pool/acl.deb")},
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipes").mkdir()
    for path in (PROJECT / "recipes").glob("*.yaml"):
        (tmp_path / "recipes" / path.name).write_bytes(path.read_bytes())
    return tmp_path


def plan(project: Path, name: str = "trixie", **environ: str) -> Plan:
    return make_plan(name, project, {"SSIUML_CACHE": str(project / "cache"), **environ})


def test_the_epoch_is_the_recipes(project: Path) -> None:
    assert plan(project).epoch == 1_700_000_000


@pytest.mark.parametrize("text", ["0", "1", "1767225600"])
def test_source_date_epoch_goes_before_the_recipes(project: Path, text: str) -> None:
    made = plan(project, SOURCE_DATE_EPOCH=text)
    assert made.epoch == int(text)
    assert made.mtime_ns == int(text) * 10**9


def test_an_empty_source_date_epoch_is_as_none(project: Path) -> None:
    made = plan(project, SOURCE_DATE_EPOCH="")
    assert made == plan(project)
    assert not made.epoch_given


@pytest.mark.parametrize("text", ["-1", "1.5", "today", "0x10", " 1", "1\n", "1_000", "\u0663", "9" * 30])
def test_a_bad_source_date_epoch_is_an_error_that_shows_it(project: Path, text: str) -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH") as caught:
        plan(project, SOURCE_DATE_EPOCH=text)
    assert str(caught.value) == (
        f"SOURCE_DATE_EPOCH: '{text}' is not a number of seconds since 1970, 0 to 4294967295\n"
        "  set it as `date +%s` prints it, or unset it"
    )


def test_an_unknown_recipe_is_an_error(project: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe 'bookwurm'"):
        plan(project, "bookwurm")


def test_images_lie_below_the_checkout_and_the_rest_in_the_cache(project: Path) -> None:
    made = plan(project, "trixie-min")
    out = project / "images" / "trixie-min"
    ours = [made.blank, made.formatted, made.root_fs, made.kernel, made.initrd, made.manifest, made.config]
    assert all(path.is_relative_to(out) for path in ours)
    assert len(set(ours)) == len(ours)
    assert made.cache.root == project / "cache"
    assert Packages(made).apt.folder.is_relative_to(project / "cache")
    assert fetch_stamp(made).is_relative_to(project / "cache")


def test_the_names_of_what_is_built_are_those_of_the_howto(project: Path) -> None:
    made = plan(project)
    assert [path.name for path in (made.root_fs, made.kernel, made.initrd)] == [
        "root_fs",
        "linux-ssi",
        "initrd-ssi.img",
    ]


def test_making_a_plan_writes_nothing(project: Path) -> None:
    before = sorted(project.rglob("*"))
    made = plan(project)
    assert fetch_stamp(made)
    assert Packages(made).apt.folder
    assert sorted(project.rglob("*")) == before


def fetch_stamp(made: Plan) -> Path:
    return stamp_of(made, Packages(made))


def base_key(made: Plan) -> Key:
    return base.key(made.recipe.packaged, made.recipe.all_packages, SELECTION, made.epoch)


def test_recipes_of_the_same_packages_share_what_was_fetched_and_the_base(project: Path) -> None:
    one, other = plan(project, "trixie"), plan(project, "trixie-min")
    assert base_key(one) == base_key(other)
    assert fetch_stamp(one) == fetch_stamp(other)
    assert Packages(one).apt == Packages(other).apt


@pytest.mark.parametrize(
    "change",
    [
        "extra_packages: [gdb]",
        "distribution: {components: [main, contrib]}",
        "distribution: {mirror: 'http://example.org/debian'}",
        "distribution: {security_mirror: null}",
        'distribution: {snapshot: "20260101T000000Z"}',
        "distribution: {suite: bookworm}",
    ],
)
def test_other_packages_or_sources_are_another_base(project: Path, change: str) -> None:
    (project / "recipes" / "mine.yaml").write_text(f"description: mine\nextends: trixie\n{change}\n")
    one, other = plan(project, "trixie"), plan(project, "mine")
    assert base_key(one) != base_key(other)
    assert fetch_stamp(one) != fetch_stamp(other)
