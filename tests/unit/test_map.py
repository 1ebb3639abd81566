"""The map of the code says what the code says of itself."""

from pathlib import Path

from house_map import BEGIN, END, PACKAGE, ROOMS, block


def test_the_map_is_the_codes_own_opening_lines():
    page = (PACKAGE / "README.md").read_text(encoding="utf-8")
    assert page.split(BEGIN)[1].split(END)[0].strip() == block()


def test_every_room_is_on_the_map():
    assert sorted(ROOMS) == sorted(folder.parent.name for folder in PACKAGE.glob("*/__init__.py"))


def test_every_module_opens_with_a_sentence():
    for path in PACKAGE.rglob("*.py"):
        assert Path(path).read_text(encoding="utf-8").startswith('"""'), path
