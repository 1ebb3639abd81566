"""Files appear whole or not at all; hashes name contents, not layout."""

import json
import os
import stat

import pytest

from sra.core.errors import InputError, suggested, unknown
from sra.core.files import check_room, path_inside, read_json, sha256_of_json, write_checked_json, write_json, written_whole


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "value.json"
    write_json(target, {"kept": 1})
    with pytest.raises(RuntimeError, match="halfway"), written_whole(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("halfway")
    assert json.loads(target.read_text()) == {"kept": 1}
    assert os.listdir(tmp_path) == ["value.json"]


def test_a_finished_write_is_readable_by_others_as_the_umask_allows(tmp_path):
    write_json(tmp_path / "value.json", 1)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "value.json").stat().st_mode) == 0o666 & ~umask


def test_equal_values_are_equal_bytes_whatever_their_order(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1, 2]})
    write_json(tmp_path / "b.json", {"a": [1, 2], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sha256_of_json({"b": 1, "a": 2}) == sha256_of_json({"a": 2, "b": 1}) != sha256_of_json({"a": 2, "b": 2})


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "value.json", float("nan"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b'{"a": ', "not valid JSON"), (b"\xff", "not valid JSON")])
def test_unreadable_json_is_named(tmp_path, content, message):
    path = tmp_path / "value.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"value.json: {message}"):
        read_json(path)


@pytest.mark.parametrize("value", [{}, {"b": [1.5, None], "a": {"ä": True}}, {"1": {"2": 3}}])
def test_json_with_its_own_checksum_is_read_as_it_was(tmp_path, value):
    write_checked_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert json.loads((tmp_path / "a.json").read_text()) == value | {"sha256_of_the_rest": sha256_of_json(value)}


def test_a_number_as_key_is_text_in_the_file_and_in_its_checksum(tmp_path):
    write_checked_json(tmp_path / "a.json", {1: {2: 3}})
    assert read_json(tmp_path / "a.json") == {"1": {"2": 3}}


@pytest.mark.parametrize(("old", "new"), [("2.5", "2.6"), ('"fid"', '"fie"'), ('"of"', '"og"'), ('of_the_rest": "', 'of_the_rest": "0')])
def test_a_changed_byte_of_checked_json_is_found(tmp_path, old, new):
    path = tmp_path / "score.json"
    write_checked_json(path, {"fid": 2.5, "of": "a"})
    whole = path.read_text()
    assert whole.count(old) == 1
    path.write_text(whole.replace(old, new))
    with pytest.raises(InputError, match=r"score\.json: is damaged or was edited, its sha256_of_the_rest differs; delete it and"):
        read_json(path)


@pytest.mark.parametrize("kind", ["a file", "a link to nothing"])
def test_a_folder_that_is_none_is_named(tmp_path, kind):
    """Such as a link to a scratch disk that is not there today."""
    place = tmp_path / "results"
    place.write_text("") if kind == "a file" else place.symlink_to(tmp_path / "gone")
    for write in (lambda: write_json(place / "a" / "b.json", 1), lambda: check_room(place / "a" / "b.json", 0)):
        with pytest.raises(InputError, match=rf"b\.json: \S+/results is {kind}, expected a folder; give another place"):
            write()
    assert os.listdir(tmp_path) == ["results"]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../secret"])
def test_paths_stay_inside_their_folder(tmp_path, path):
    with pytest.raises(InputError, match="points outside"):
        path_inside(tmp_path, path)


def test_links_out_of_the_folder_are_refused(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match="points outside"):
        path_inside(tmp_path / "inner", "link/other")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("figure_b", ["figure_b1", "figure_b2"]),  # what goes on from it, before what is spelled like it
        ("figure", ["figure_2"]),  # the shortest of these
        ("FIGURE_8A", ["figure_8b"]),
        ("fgure_2", ["figure_2"]),
        ("train", []),
        ("", []),
    ],
)
def test_suggestions_go_on_from_a_name_before_they_are_spelled_like_it(name, near):
    assert suggested(name, ["figure_2", "figure_8b", "figure_b1", "figure_b2"]) == near


def test_an_unknown_name_suggests_the_near_one_or_lists_all():
    assert str(unknown("preset", "digts", ["digits", "paper"])) == "unknown preset 'digts'; did you mean 'digits'?"
    assert str(unknown("preset", "xyz", ["paper", "digits"], where="config.yaml")) == "config.yaml: unknown preset 'xyz'; known: digits, paper"
