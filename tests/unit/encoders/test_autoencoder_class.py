"""What is left out while diffusers is imported is back afterwards, and the compiler is not imported for it."""

import importlib
import json
import subprocess
import sys

import pytest

from sra.core.errors import InputError
from sra.encoders.autoencoder_class import autoencoder_class, hidden


def test_hidden_packages_are_back_afterwards(monkeypatch):
    monkeypatch.delitem(sys.modules, "diffusers", raising=False)
    with hidden("json", "never_installed"), pytest.raises(ImportError):
        importlib.import_module("json")
    assert sys.modules["json"] is json
    assert "never_installed" not in sys.modules


def test_nothing_is_hidden_from_those_who_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", object())
    with hidden("json"):
        assert importlib.import_module("json") is json


def test_the_class_comes_without_the_compiler():
    """In a process that has imported nothing else."""
    script = "import sys; from sra.encoders.autoencoder_class import autoencoder_class as c; import torch; before = torch.compiler.disable; "
    script += "print(c().__module__, 'torch._dynamo' in sys.modules, torch.compiler.disable is before, torch.compile(lambda x: x)(3))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["diffusers.models.autoencoders.autoencoder_kl", "False", "True", "3"], done.stderr


def test_who_has_no_diffusers_is_told_how_to_bring_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"diffusers is not installed.*pip install diffusers .*PYTHONPATH=vendor") as caught:
        autoencoder_class()
    assert "\n" not in str(caught.value)
