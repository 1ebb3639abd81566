"""Scale changes nothing at paper scale and keeps order at any other."""

import pytest

from sra.spec.scale import PAPER_SIZES, scaled_block, scaled_decay, scaled_projector_width


@pytest.mark.parametrize("depth", [12, 24, 28])
def test_blocks_map_to_themselves_at_paper_depth(depth):
    assert [scaled_block(block, depth, depth) for block in range(1, depth + 1)] == list(range(1, depth + 1))


@pytest.mark.parametrize(("paper", "here"), [(12, 8), (12, 6), (24, 10), (28, 12), (12, 1), (8, 12)])
def test_blocks_keep_their_order_and_ends(paper, here):
    mapped = [scaled_block(block, paper, here) for block in range(1, paper + 1)]
    assert mapped == sorted(mapped)
    assert min(mapped) >= 1
    assert mapped[-1] == here


def test_the_pairs_of_table_1_stay_apart_in_eight_blocks():
    pairs = [(6, 10), (4, 8), (4, 10), (4, 12), (2, 6), (2, 8), (3, 8), (3, 3)]
    assert len({(scaled_block(m, 12, 8), scaled_block(n, 12, 8)) for m, n in pairs}) == len(pairs)


@pytest.mark.parametrize("block", [0, 13])
def test_a_block_that_does_not_exist_is_refused(block):
    with pytest.raises(ValueError, match=f"block {block} does not exist in a model of 12 blocks"):
        scaled_block(block, 12, 8)


def test_an_average_forgets_as_fast_in_a_shorter_training():
    assert scaled_decay(0.9999, 1) == 0.9999
    assert scaled_decay(0.9999, 1000) ** 400 == pytest.approx(0.9999**400_000)
    assert (scaled_decay(0.0, 1000), scaled_decay(1.0, 1000)) == (0.0, 1.0)


def test_the_projector_shrinks_with_the_model():
    width = PAPER_SIZES["XL"].width
    assert scaled_projector_width(2048, width, width) == 2048
    assert scaled_projector_width(2048, width, width // 8) == 256
    assert scaled_projector_width(2048, width, 8) == 16
