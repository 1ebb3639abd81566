"""A receipt follows its file: kind, size and every byte are checked, and inputs are chained by hash."""

import pytest

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.receipts import read_receipt, receipt_path, verify_contents, write_receipt


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
