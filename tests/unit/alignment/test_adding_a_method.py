"""What README.md of the alignments tells people to add, added to a copy of the package, trains."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "sra/alignment/README.md").read_text(encoding="utf-8")

# Run in the copy: the cost of the new run, the value of its loss by hand, and what ten steps on random latents log.
TRAIN = """
import numpy as np, torch
from pathlib import Path
from sra.alignment.structure import similarities
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.content.catalogue import Catalogue
from sra.forecast.flops import training_flops
from sra.training.setup import set_up
spec = Catalogue(Path("."), "digits").spec("sit_b2_structure")
rows = np.random.default_rng(0).standard_normal((40, 8, 8, 8)).astype(np.float32)
shard = shard_path(Path("store"), "latents", 0, 1)
write_shard(shard, "latents", range(40), [rows], {})
write_manifest(Path("store/store.json"), "latents", [shard], np.arange(40) % 10, {}, scaling_factor=1.0)
trainer = set_up(spec, ArrayStore.open(Path("store/store.json"), "latents"), None, torch.device("cpu"))
trainer.train(10)
a, b = torch.tensor([[[1., 0.], [0., 2.]], [[1., 1.], [2., 0.]]]), torch.tensor([[[0., 1.], [1., 1.]], [[1., 0.], [2., 2.]]])
print(spec.alignment.words)
print(round((similarities(a) - similarities(b)).square().mean().item(), 6), round(100 * training_flops(spec).surcharge, 1))
print({name: trainer.state.curve[0][name] for name in ("structure", "structure_weight")})
"""


def changed(path: Path, before: str, text: str) -> None:
    """What the reader does to a file that is there: text goes before a place that is there once."""
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1
    path.write_text(content.replace(before, text + before), encoding="utf-8")


@pytest.mark.slow
def test_the_documented_method_trains_in_a_copy_of_the_repository(tmp_path):
    for name in ("sra", "config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    written = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", README, flags=re.DOTALL))
    cost = "sra/forecast/method_costs.py"
    assert set(written) == {"sra/spec/methods/structure.py", "sra/alignment/structure.py", cost, "config/experiments/structure.yaml"}
    lines = re.findall(r"`(Structure\w+(?:: \w+)?,)`", README)
    assert lines == ["StructureOptions,", "StructureOptions: StructureAlignment,", "StructureOptions: _structure,"]

    for path in set(written) - {cost}:
        (tmp_path / path).write_text(written[path], encoding="utf-8")
    options = "from sra.spec.methods.structure import StructureOptions\n"
    changed(tmp_path / "sra/spec/methods/known.py", "    RepaSraOptions,\n", f"    {lines[0]}\n")
    changed(tmp_path / "sra/spec/methods/known.py", "\nRepaSraOptions =", options)
    changed(tmp_path / "sra/alignment/build.py", "    SraOptions: SraAlignment,", f"    {lines[1]}\n")
    changed(tmp_path / "sra/alignment/build.py", "from sra.spec.run import", "from sra.alignment.structure import StructureAlignment\n" + options)
    changed(tmp_path / cost, "COSTS: dict", written[cost] + "\n\n")
    changed(tmp_path / cost, "    SraOptions: _sra,", f"    {lines[2]}\n")
    changed(tmp_path / cost, "from sra.spec.run import", options)

    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", TRAIN], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words, numbers, logged = done.stdout.splitlines()
    assert words == "structure: blocks 2 → 5, λ 0.5"  # 3 → 8 of 12 blocks, carried to 8
    difference, surcharge = map(float, numbers.split())
    assert difference == 0.125
    assert 10 < surcharge < 40
    logged = ast.literal_eval(logged)
    assert 0 <= logged["structure"] < 1
    assert logged["structure_weight"] == 0.5
