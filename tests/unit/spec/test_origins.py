"""Where each method says that it comes from, and its blocks in words."""

import re

import pytest

from sra.spec.methods.base import MethodOptions
from sra.spec.methods.known import METHOD_OF
from sra.spec.methods.two_times import DualTimesOptions


@pytest.mark.parametrize("method", METHOD_OF)
def test_every_method_says_where_it_comes_from(method):
    options = METHOD_OF[method]
    assert options.ORIGIN or "+" in method  # of what is made of others, by the names of its parts
    assert options.origins()
    for origin in options.origins():
        assert origin.name
        assert 10 < len(origin.signal) < 90
        assert re.fullmatch(r"\d{4}\.\d{5}", origin.arxiv)
        assert (origin.code is None) == (origin.commit is None)
        assert origin.code is None or re.fullmatch(r"[\w-]+/[\w-]+ [0-9a-f]{7}", f"{origin.code} {origin.commit}")
        assert (origin.code and origin.licence) or origin.unchecked


def test_no_two_methods_have_one_origin():
    origins = [options.ORIGIN for options in METHOD_OF.values() if options.ORIGIN]
    assert len({origin.name for origin in origins}) == len({origin.signal for origin in origins}) == len(origins)


def test_a_combination_has_the_origins_of_its_parts():
    assert [origin.name for origin in METHOD_OF["repa+sra"].origins()] == ["REPA", "SRA"]
    assert [origin.name for origin in METHOD_OF["haste"].origins()] == ["HASTE"]


def test_a_method_without_a_paper_goes_by_its_own_name():
    class Plain(MethodOptions):
        method: str = "plain"

    assert (Plain().name, Plain.origins()) == ("plain", ())
    assert DualTimesOptions(student_block=3, teacher_block=8).name == "DTS + AS"


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("none", {}, ""),
        ("sra", {"student_block": 3, "teacher_block": 8}, "3 → 8"),
        ("repa", {"block": 4}, "4"),
        ("contrastive", {}, ""),
        ("haste", {"repa": {"block": 4}, "attention": {"first_block": 1, "last_block": 4}}, "repa 4, attention 1 to 4"),
        ("reg", {"repa": {"block": 4}, "summary": {}}, "4"),
    ],
)
def test_blocks_in_words(method, given, words):
    assert METHOD_OF[method].model_validate(given).blocks_words == words
