"""The processor's name and what else keeps it busy, where the kernel says so and where it does not."""

import platform

import pytest

from sra.core import processor


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2.20GHz\nmodel name\t: Another\n", "Some CPU @ 2.20GHz"),
        ("processor\t: 0\nmodel name\t:\n", platform.machine()),
        ("processor\t: 0\n", platform.machine()),
        (None, platform.machine()),
    ],
    ids=["named", "empty", "not named", "no file"],
)
def test_it_is_called_what_the_kernel_calls_it(monkeypatch, tmp_path, content, name):
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    assert processor.processor_name() == name


@pytest.mark.parametrize(("busy", "own", "share"), [(600, 2.0, 0.5), (200, 2.0, 0.0), (100, 2.0, 0.0), (9000, 0.0, 1.0)])
def test_other_work_is_what_all_cores_did_less_what_this_process_did(monkeypatch, tmp_path, busy, own, share):
    """Four seconds of two cores, by a kernel that counts in hundredths; what was idle or waited for a disk is nobody's work."""
    clock, mine = [10.0], [1.0]
    monkeypatch.setattr(processor, "CPU_TIMES", tmp_path / "stat")
    monkeypatch.setattr(processor.os, "sysconf", lambda name: 100)
    monkeypatch.setattr(processor.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(processor.os, "times", lambda: (mine[0], 0.0, 7.0, 0.0, 0.0))
    monkeypatch.setattr(processor.time, "perf_counter", lambda: clock[0])
    (tmp_path / "stat").write_text("cpu  100 0 50 5000 700 3 2 1 0 0\ncpu0 1 2 3\n")
    others = processor.OtherWork()
    (tmp_path / "stat").write_text(f"cpu  {100 + busy} 0 50 5900 900 3 2 1 0 0\ncpu0 1 2 3\n")
    clock[0], mine[0] = 14.0, 1.0 + own
    assert others.share() == share


def test_other_work_is_not_known_where_the_kernel_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPU_TIMES", tmp_path / "stat")
    assert processor.OtherWork().share() is None
