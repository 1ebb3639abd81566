"""A method with its weights times a factor, as a search over weights tries it."""

from pathlib import Path

import pytest

from sra.spec.methods.attention import AttentionOptions
from sra.spec.methods.base import BaselineOptions, MethodOptions
from sra.spec.methods.combined import CombinedOptions
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.known import METHOD_OF
from sra.spec.methods.repa import RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.methods.two_times import DualTimesOptions
from sra.spec.registry import Registry

ROOT = Path(__file__).parents[3]

BLOCKS = {"block": 4, "student_block": 3, "teacher_block": 8, "target_block": 7, "first_block": 1, "last_block": 4}


def made(options: type[MethodOptions], **given) -> MethodOptions:
    """By its defaults, at the blocks of SiT-B."""
    blocks = {name: BLOCKS[name] for name in options.BLOCKS}
    parts = {name: made(part) for name, part in options.part_fields().items()} if issubclass(options, CombinedOptions) else {}
    return options(**{**blocks, **parts, **given})


@pytest.mark.parametrize("method", [method for method in METHOD_OF if method != "none"])
def test_all_weights_of_a_method_and_nothing_else(method):
    options = made(METHOD_OF[method])
    scaled = options.scaled(0.25)
    assert type(scaled) is type(options)
    assert [part.weight for part in scaled.parts] == [part.weight / 4 for part in options.parts]
    assert scaled.scaled(4) == options
    assert [part.model_copy(update={"weight": 1}) for part in scaled.parts] == [part.model_copy(update={"weight": 1}) for part in options.parts]


def test_weights_of_a_method_made_of_others_keep_their_ratio():
    reg = Registry(ROOT, "paper").spec("sit_b2_reg").alignment.scaled(4)
    assert [part.weight for part in reg.parts] == [2.0, 0.12]
    one_off = made(METHOD_OF["repa+sra"], repa=made(RepaOptions, weight=0)).scaled(2)
    assert [part.weight for part in one_off.parts] == [0, 0.4]


@pytest.mark.parametrize(
    "options",
    [
        made(BaselineOptions),
        made(DualTimesOptions, weight=0),
        made(METHOD_OF["haste"], repa=made(RepaOptions, weight=0), attention=made(AttentionOptions, weight=0)),
    ],
)
def test_what_no_factor_changes_is_refused(options):
    with pytest.raises(ValueError, match=f"method {options.method} has no weight that a factor would change"):
        options.scaled(2)


def test_a_weight_that_the_method_does_not_allow_is_refused():
    with pytest.raises(ValueError, match="from 1 on the loss has no minimum"):
        made(ContrastiveOptions).scaled(20)
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        made(SraOptions).scaled(-1)
