import pytest

from sra.core.leftovers import is_leftover, passed_over, without_leftovers

LEFT = [".DS_Store", "train/7/._0001.png", "__MACOSX/train/7/0001.png", "Thumbs.db", "a/desktop.ini", ".ipynb_checkpoints/x.png", "lost+found"]
KEPT = ["train/7/0001.png", "dots/.png", "thumbs/1.png", "DS_Store.png", "_underscore.png"]


@pytest.mark.parametrize("name", LEFT)
def test_what_systems_leave_is_recognised_at_any_depth(name):
    assert is_leftover(name)


@pytest.mark.parametrize("name", KEPT)
def test_a_persons_own_file_is_never_passed_over(name):
    assert not is_leftover(name)


def test_names_keep_their_order_and_the_rest_is_counted_and_told():
    kept, count = without_leftovers([KEPT[0], *LEFT, *KEPT[1:]])
    assert (kept, count) == (KEPT, len(LEFT))
    assert passed_over("photos", count).startswith(f"photos: {len(LEFT)} files ")
    assert passed_over("photos", 1).startswith("photos: 1 file ")
    assert passed_over("photos", 0) == ""
