"""The tables of data sets and weights: typed rows, lines named in errors, hashes held from first use on."""

import hashlib
from pathlib import Path

import pytest

from sra.core.errors import InputError
from sra.spec.assets import WeightsEntry, check_file, entry_named, how_to_fetch, load_table, record_sha256
from sra.spec.run import MODEL_NAME

ROOT = Path(__file__).parents[3]
COLUMNS = ("name", "kind", "source", "place", "licence", "family", "model", "resolution", "step", "page", "bytes", "sha256", "note")
ROW = {
    "name": "released",
    "kind": "checkpoint",
    "source": "file",
    "place": "released.pt",
    "licence": "MIT",
    "family": "sit",
    "model": "SiT-XL/2",
    "resolution": "256",
    "step": "7000000",
    "page": "https://example.org/released.pt",
    "note": "for a test",
}


def table(folder: Path, *rows: dict, columns=COLUMNS) -> dict[str, WeightsEntry]:
    lines = ["\t".join(columns), *("\t".join(row.get(column, "") for column in columns) for row in rows)]
    path = folder / "weights.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_table(path, WeightsEntry)


@pytest.fixture
def entry(tmp_path) -> WeightsEntry:
    return table(tmp_path, ROW)["released"]


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "released.pt"
    path.write_bytes(b"weights")
    return path


def test_released_checkpoints_of_the_suite():
    entries = load_table(ROOT / "config" / "weights.tsv", WeightsEntry)
    checkpoints = {name: entry for name, entry in entries.items() if entry.kind == "checkpoint"}
    assert set(checkpoints) == {"dit_xl2_256", "dit_xl2_512", "sit_xl2_256", "repa_sit_xl2_256", "sra_sit_xl2_256", "sra_sit_xl2_512"}
    assert len({entry.place for entry in checkpoints.values()}) == 6
    for name, entry in checkpoints.items():
        assert name.endswith(f"xl2_{entry.resolution}")
        assert MODEL_NAME.fullmatch(entry.model)["family"] == ("DiT" if entry.family == "dit" else "SiT")
    assert checkpoints["dit_xl2_256"].licence == "CC-BY-NC-4.0"


def test_empty_cells_are_values_not_given(entry):
    assert (entry.bytes, entry.sha256, entry.step) == (None, None, 7_000_000)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "family": ""}, "line 2: file: a checkpoint needs family; fill that cell"),
        ({**ROW, "page": ""}, "a checkpoint needs page"),
        ({**ROW, "licence": ""}, "line 2: licence is missing"),
        ({**ROW, "step": "7M"}, "line 2: step: .*got '7M'"),
        ({**ROW, "sha256": "abc"}, "line 2: sha256: "),
        ({**ROW, "page": "released.pt"}, "line 2: page: "),
        ({**ROW, "kind": "chekpoint"}, "line 2: kind: "),
        ({**ROW, "note": "two\tcells"}, "line 2: has more cells than the first line has names"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        table(tmp_path, row)


def test_a_name_is_listed_once_and_found_by_kind(tmp_path):
    with pytest.raises(InputError, match="line 3: released is already listed"):
        table(tmp_path, ROW, ROW)
    entries = table(tmp_path, ROW)
    assert entry_named(entries, "released", "checkpoint").place == "released.pt"
    with pytest.raises(InputError, match="unknown vae 'released'"):
        entry_named(entries, "released", "vae")


def test_what_to_fetch_is_one_line(entry):
    assert how_to_fetch(entry, Path("ckpt") / entry.place) == (
        "ckpt/released.pt: no such file; download https://example.org/released.pt (MIT) and save it there, "
        "or say which folder has it: --config paths='{downloads: FOLDER}'"
    )


def test_the_hash_of_the_first_use_is_held(entry, file, tmp_path):
    first = hashlib.sha256(b"weights").hexdigest()
    assert check_file(entry, file, tmp_path) == first
    record_sha256(entry, file, first, tmp_path)
    record = tmp_path / "config" / "checksums" / "released.sha256"
    assert record.read_text() == f"{first}  released.pt\n"
    assert check_file(entry, file, tmp_path) == first

    file.write_bytes(b"other")
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(InputError, match=rf"{other[:12]}\.\.\., at first use of released it was {first[:12]}\.\.\.; .*delete .*released.sha256"):
        check_file(entry, file, tmp_path)
    record_sha256(entry, file, other, tmp_path)
    assert record.read_text().startswith(first)
    record.unlink()
    assert check_file(entry, file, tmp_path) == other


def test_size_and_hash_of_the_row_must_match(entry, file, tmp_path):
    right = hashlib.sha256(b"weights").hexdigest()
    assert check_file(entry.model_copy(update={"bytes": 7, "sha256": right}), file, tmp_path) == right
    with pytest.raises(InputError, match=r"has 7 bytes, config/weights.tsv says 8 for released; download it again from https"):
        check_file(entry.model_copy(update={"bytes": 8}), file, tmp_path)
    with pytest.raises(InputError, match=rf"its SHA-256 is {right[:12]}\.\.\., config/weights.tsv says 000000000000\.\.\."):
        check_file(entry.model_copy(update={"sha256": "0" * 64}), file, tmp_path)


def test_a_spoilt_record_is_named(entry, file, tmp_path):
    record = tmp_path / "config" / "checksums" / "released.sha256"
    record.parent.mkdir(parents=True)
    record.write_text("not a hash\n")
    with pytest.raises(InputError, match=r"released.sha256: is not a line of sha256sum; delete it"):
        check_file(entry, file, tmp_path)
