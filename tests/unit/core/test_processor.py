"""The processor's name, where the kernel gives one and where it does not."""

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
