"""A receipt follows its file: kind, size and every byte are checked, and inputs are chained by hash."""

import pytest

from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.receipts import checked_sha256, read_receipt, receipt_of, receipt_path, verify_contents, write_receipt


@pytest.fixture
def artefact(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"0123456789")
    write_receipt(path, "weights", step=3)
    return path


def test_receipts_chain_by_hash(artefact, tmp_path):
    samples = tmp_path / "samples.bin"
    samples.write_bytes(b"samples")
    receipt = write_receipt(samples, "samples", {"weights": artefact}, {"config": "abc"}, count=7)
    assert receipt["made_from"] == {"weights": sha256_of_file(artefact), "config": "abc"}
    assert read_receipt(samples, "samples")["facts"] == {"count": 7}


def test_the_same_work_gives_the_same_bytes(artefact):
    before = receipt_path(artefact).read_bytes()
    write_receipt(artefact, "weights", step=3)
    assert receipt_path(artefact).read_bytes() == before


def test_a_truncated_file_is_refused(artefact):
    artefact.write_bytes(b"01234")
    with pytest.raises(InputError, match="has 5 bytes, its receipt says 10"):
        read_receipt(artefact, "weights")


def test_a_changed_byte_is_found_by_reading_all(artefact):
    artefact.write_bytes(b"0123456780")
    read_receipt(artefact, "weights")
    with pytest.raises(InputError, match="contents differ from its receipt"):
        verify_contents(artefact, "weights")


def test_another_kind_and_missing_files_are_refused(artefact, tmp_path):
    with pytest.raises(InputError, match="is a weights, expected a samples"):
        read_receipt(artefact, "samples")
    with pytest.raises(InputError, match="no such file"):
        read_receipt(tmp_path / "absent", "weights")
    receipt_path(artefact).unlink()
    with pytest.raises(InputError, match=r"weights.bin.receipt.json is missing"):
        read_receipt(artefact, "weights")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": 3}, "kind: Input should be"),
        ({"bytes": -1}, "bytes: Input should be"),
        ({"facts": {"step": "last"}}, r"facts\.step: Input should be"),
        ({"facts": {"row_shape": [8, 0]}}, r"facts\.row_shape\.1: Input should be"),
        ({"made_from": {"weights": 3}}, r"made_from\.weights: Input should be"),
    ],
)
def test_a_receipt_with_a_wrong_entry_is_named(artefact, change, message):
    write_json(receipt_path(artefact), read_json(receipt_path(artefact)) | change)
    with pytest.raises(
        InputError, match=rf"weights\.bin\.receipt\.json: is not a receipt \({message}.*\); delete it and the file that it is of"
    ) as caught:
        receipt_of(artefact)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["kind", "bytes", "sha256", "made_from", "facts"])
def test_a_receipt_without_an_entry_is_named(artefact, key):
    receipt = read_json(receipt_path(artefact))
    del receipt[key]
    write_json(receipt_path(artefact), receipt)
    with pytest.raises(InputError, match=rf"is not a receipt \({key}: Field required\)"):
        receipt_of(artefact)


@pytest.mark.parametrize("content", [[], 3, None, {}])
def test_other_json_is_no_receipt(artefact, content):
    write_json(receipt_path(artefact), content)
    with pytest.raises(InputError, match=r"weights\.bin\.receipt\.json: is not a receipt \("):
        receipt_of(artefact)


def test_a_fact_that_is_not_there_is_named_when_it_is_asked_for(artefact):
    facts = receipt_of(artefact)["facts"]
    assert (facts["step"], facts.get("run")) == (3, None)
    with pytest.raises(InputError, match=r"weights\.bin\.receipt\.json: facts: run is missing; delete it and the file"):
        facts["run"]


def test_a_flipped_bit_of_a_receipt_is_found(artefact):
    """Wherever it is, for a number may stay a number; but for the name of the checksum, without which the rest is what it was."""
    whole, missed = receipt_path(artefact).read_bytes(), 0
    for place in range(len(whole) - 1):
        receipt_path(artefact).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        missed += not refused_by_name(artefact)
    assert missed == len("sha256_of_the_rest")


def refused_by_name(artefact) -> bool:
    try:
        receipt_of(artefact)
    except InputError as error:
        return str(error).startswith(f"{receipt_path(artefact)}: ")
    return False


def test_the_hash_of_a_file_is_compared_where_it_has_a_receipt(artefact):
    assert checked_sha256(artefact) == sha256_of_file(artefact)
    artefact.write_bytes(b"0123456780")
    with pytest.raises(InputError, match="contents differ from its receipt"):
        checked_sha256(artefact)
    receipt_path(artefact).unlink()
    assert checked_sha256(artefact) == sha256_of_file(artefact)
