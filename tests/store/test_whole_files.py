"""The law of publishing: nothing is published while a file that it shows, or is made of, is not as it was committed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import select

from countersign.models.datasets import NAV
from countersign.models.errors import StoreError
from countersign.models.tables.lake import LakeFile
from countersign.services.publication.publish import Publication, lens_is_current, publish, rebuild
from countersign.services.publication.snapshot import take_snapshot
from countersign.store.home import Home
from countersign.store.lake.digests import check_turn, identity
from countersign.store.ledger.facts import LENS_DIGESTS, keep_fact, read_fact
from countersign.store.lens.digest import check_version, is_as_published
from countersign.store.lens.reader import open_lens
from countersign.store.lens.versions import current_version
from tests.support.harming import change_a_figure, cut, flip_a_bit, put_another_in_its_place
from tests.support.settled import make_home, settle, settled_at, weekdays

DAYS = weekdays(2)
HARMS = (change_a_figure, flip_a_bit, cut, put_another_in_its_place, Path.unlink)
HARMS_TO_A_LENS = (flip_a_bit, cut, put_another_in_its_place, Path.unlink)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one session published and a second one settled."""
    home = make_home(tmp_path / "home")
    settle(home, DAYS[0])
    publish(home)
    settle(home, DAYS[1])
    return home


def version(home: Home) -> Path:
    path = current_version(home.path)
    assert path
    return path


def nav(home: Home) -> list[tuple[object, ...]]:
    with open_lens(home.path) as lens, lens.use() as db:
        return db.execute("SELECT strategy, session, nav FROM nav ORDER BY ALL").fetchall()


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("make", [publish, rebuild], ids=lambda make: make.__name__)
def test_nothing_is_published_while_any_file_is_not_whole(
    home: Home, make: Callable[[Home], Publication], harm: Callable[[Path], None]
) -> None:
    shown = version(home)
    with home.ledger.read() as db:
        files = db.exec(select(LakeFile)).all()
    assert {file.session for file in files} == set(DAYS)
    for file in files:
        path = home.lake_path / file.path
        right = path.read_bytes()
        harm(path)
        with pytest.raises(StoreError, match=f"{file.path} is (altered|cut|missing) since it was committed"):
            make(home)
        assert version(home) == shown
        path.write_bytes(right)
    assert make(home).new
    with home.ledger.read() as db:
        files = db.exec(select(LakeFile)).all()
    for file in files:  # so that the next publication hashes none of them
        assert file.checked_as == identity((home.lake_path / file.path).stat())


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_what_a_correction_replaced_is_not_read_either_unless_it_is_whole(
    home: Home, harm: Callable[[Path], None]
) -> None:
    [replaced] = home.lake.files(NAV, DAYS[0], DAYS[0])
    settle(home, DAYS[0], seed=1)
    harm(home.lake_path / replaced.path)
    for make in (publish, rebuild):
        with pytest.raises(StoreError, match=f"{replaced.path} is (altered|cut|missing) since it was committed"):
            make(home)


def test_what_a_turn_finds_altered_under_one_row_is_trusted_under_no_other(home: Home) -> None:
    [file] = home.lake.files(NAV, DAYS[0], DAYS[0])
    flip_a_bit(home.lake_path / file.path)
    rotten = identity((home.lake_path / file.path).stat())  # as if the disk had done it
    before = file.model_dump(exclude={"id"}) | {"superseded_at": settled_at(DAYS[0])}
    with home.ledger.write() as db:
        db.merge(file).checked_as = rotten
        db.add(LakeFile(**before | {"checked_as": rotten, "checked_at": None}))
    home.lake.require_known(take_snapshot(home.lake).checked)
    assert check_turn(home.ledger, home.lake.root, lambda: True, 1).altered == (file.path,)
    with pytest.raises(StoreError, match=f"{file.path} is altered since it was committed"):
        home.lake.require_known(take_snapshot(home.lake).checked)


@pytest.mark.parametrize("checked", [False, True], ids=["unhashed", "hashed"])
@pytest.mark.parametrize(
    "harm", [flip_a_bit, cut, put_another_in_its_place, Path.unlink], ids=lambda harm: harm.__name__
)
def test_a_lens_that_was_harmed_is_made_anew(home: Home, harm: Callable[[Path], None], checked: bool) -> None:
    publish(home)
    right, path = nav(home), version(home)
    if checked:
        check_version(home.ledger, path)
    harm(path)
    check_version(home.ledger, path)  # what it finds now is not taken for what was published
    assert not is_as_published(home.ledger, path)
    assert not lens_is_current(home)
    assert publish(home).new
    assert nav(home) == right
    assert lens_is_current(home)


def test_rot_of_a_lens_that_changes_no_time_is_found_once_it_was_hashed(home: Home) -> None:
    publish(home)
    right, path = nav(home), version(home)
    check_version(home.ledger, path)
    flip_a_bit(path)
    with home.ledger.write() as db:  # as if the disk had done it
        known = json.loads(read_fact(db, LENS_DIGESTS) or "")
        known[path.stem][1] = identity(path.stat())
        keep_fact(db, LENS_DIGESTS, json.dumps(known))
    assert is_as_published(home.ledger, path)
    check_version(home.ledger, path)
    assert not lens_is_current(home)
    assert publish(home).new
    assert nav(home) == right


def test_a_hashed_lens_may_be_copied_and_given_another_mode(home: Home) -> None:
    publish(home)
    path = version(home)
    check_version(home.ledger, path)
    other = path.with_suffix(".copy")
    other.write_bytes(path.read_bytes())
    other.chmod(0o640)
    other.replace(path)
    assert is_as_published(home.ledger, path)
    assert lens_is_current(home)
    publish(home)
    assert version(home) == path
