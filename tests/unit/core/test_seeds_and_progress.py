"""Seeds are functions of their purpose; progress says what runs without carriage returns in a log."""

from sra.core import progress
from sra.core.progress import Progress, tracked
from sra.core.seeds import derive_seed


def test_seeds_are_fixed_and_unrelated():
    assert derive_seed(0, "noise", 1) == derive_seed(0, "noise", 1)
    seeds = {derive_seed(seed, purpose, step) for seed in range(4) for purpose in ("noise", "time") for step in range(250)}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_do_not_run_together_at_their_seams():
    assert derive_seed(1, "a", 11) != derive_seed(11, "a", 1) != derive_seed(1, "a1", 1)


def test_a_log_gets_whole_lines(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with Progress("train x", total=3, unit="steps", done=1) as bar:
        bar.advance(1, loss=0.5)
        bar.advance(1, loss=0.25)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train x: 1/3 steps, starting"
    assert lines[1].startswith("train x: 2/3 steps")
    assert "loss 0.5" in lines[1]
    assert "s left" in lines[1]
    assert lines[-1].startswith("train x: 3/3 steps")
    assert "\r" not in "".join(lines)


def test_items_pass_through():
    assert list(tracked(iter("abc"), "letters", 3)) == ["a", "b", "c"]
