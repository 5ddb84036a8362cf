"""Packed files: their content, and those that are refused before they fill the disk."""

import gzip
import zipfile
from pathlib import Path

import pytest

from countersign.models.errors import InputError
from countersign.sources.files import archives
from countersign.sources.files.archives import unpacked

TEXT = b"a,b\n1,2\n"


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_packed_file_is_unpacked_for_the_block_alone(tmp_path: Path) -> None:
    packed = tmp_path / "BTCUSDT_1.csv.gz"
    packed.write_bytes(gzip.compress(TEXT))
    nameless = tmp_path / "data.gz"
    nameless.write_bytes(gzip.compress(TEXT))
    archive = zipped(tmp_path / "m.zip", **{"x/BTC-1m.csv": TEXT, "__MACOSX/x/._BTC-1m.csv": b"?", "x/": b""})
    for path, name in ((packed, "BTCUSDT_1.csv"), (nameless, "data.csv"), (archive, "BTC-1m.csv")):
        with unpacked(path) as table:
            assert (table.name, table.read_bytes()) == (name, TEXT)
        assert not table.exists()
    with unpacked(tmp_path / "plain.csv") as table:
        assert table == tmp_path / "plain.csv"


def test_a_member_cannot_leave_its_folder(tmp_path: Path) -> None:
    with unpacked(zipped(tmp_path / "m.zip", **{"../../out.csv": TEXT})) as table:
        assert table.name == "out.csv"
    assert list(tmp_path.parent.rglob("out.csv")) == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "m.zip: expected one CSV or Parquet file in a zip, got none"),
        ({"a.csv": TEXT, "b.csv": TEXT}, "m.zip: expected one CSV or Parquet file in a zip, got a.csv, b.csv"),
        ({f"{n}.csv": TEXT for n in range(5)}, "m.zip: expected one .*, got 0.csv, 1.csv, 2.csv and 2 more"),
    ],
)
def test_a_zip_holds_one_table(tmp_path: Path, members: dict[str, bytes], said: str) -> None:
    with pytest.raises(InputError, match=f"^{said}$"), unpacked(zipped(tmp_path / "m.zip", **members)):
        pass


def test_an_unsound_archive_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(TEXT * 1000)
    sound = zipped(tmp_path / "sound.zip", **{"a.csv": TEXT * 1000}).read_bytes()
    broken = bytearray(sound)
    broken[50:60] = b"\xff" * 10
    for name, content in (("a.gz", b"no"), ("b.gz", whole[:-9]), ("c.zip", b"PK\x03\x04"), ("d.zip", bytes(broken))):
        path = tmp_path / name
        path.write_bytes(content)
        words = rf"^path: expected a sound .gz or .zip file, got .*{name}: "
        with pytest.raises(InputError, match=words), unpacked(path):
            pass


def test_a_bomb_is_refused_even_if_it_declares_a_small_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    packed = tmp_path / "bomb.csv.gz"
    packed.write_bytes(gzip.compress(bytes(1001)))
    for path in (packed, zipped(tmp_path / "bomb.zip", **{"a.csv": bytes(1001)})):
        words = f"^{path.name}: expected at most 1,000 bytes unpacked, got more$"
        with pytest.raises(InputError, match=words), unpacked(path):
            pass
    with unpacked(zipped(tmp_path / "fine.zip", **{"a.csv": bytes(1000)})) as table:
        assert table.stat().st_size == 1000
