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

# Run in the copy: train three steps of the new run on random latents and say what was logged.
TRAIN = """
import numpy as np, torch
from pathlib import Path
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.content.catalogue import Catalogue
from sra.training.setup import set_up
spec = Catalogue(Path("."), "digits").spec("sit_b2_layersync")
rows = np.random.default_rng(0).standard_normal((40, 8, 8, 8)).astype(np.float32)
shard = shard_path(Path("store"), "latents", 0, 1)
write_shard(shard, "latents", range(40), [rows], {})
write_manifest(Path("store/store.json"), "latents", [shard], np.arange(40) % 10, {}, scaling_factor=1.0)
trainer = set_up(spec, ArrayStore.open(Path("store/store.json"), "latents"), None, torch.device("cpu"))
trainer.train(10)
print(spec.alignment.words, spec.alignment.student_block, spec.alignment.target_block)
print({name: trainer.state.curve[0][name] for name in ("layersync", "layersync_weight")})
"""


def inserted(path: Path, before: str, text: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1
    path.write_text(content.replace(before, text + before), encoding="utf-8")


@pytest.mark.slow
def test_the_documented_method_trains_in_a_copy_of_the_repository(tmp_path):
    for name in ("sra", "config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    written = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", README, flags=re.DOTALL))
    assert set(written) == {"sra/spec/method.py", "sra/alignment/layersync.py", "config/experiments/layersync.yaml"}

    inserted(tmp_path / "sra/spec/method.py", "METHODS: tuple", written["sra/spec/method.py"] + "\n\n")
    inserted(tmp_path / "sra/spec/method.py", "RepaSraOptions)\nMETHOD_OF", "LayerSyncOptions, ")
    for path in ("sra/alignment/layersync.py", "config/experiments/layersync.yaml"):
        (tmp_path / path).write_text(written[path], encoding="utf-8")
    line = re.search(r"`(LayerSyncOptions: LayerSyncAlignment,)`", README)[1]
    inserted(tmp_path / "sra/alignment/build.py", "    SraOptions: SraAlignment,", f"    {line}\n")
    inserted(tmp_path / "sra/alignment/build.py", "from sra.alignment.repa", "from sra.alignment.layersync import LayerSyncAlignment\n")
    inserted(tmp_path / "sra/alignment/build.py", "MethodOptions, RepaOptions", "LayerSyncOptions, ")

    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", TRAIN], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words, logged = done.stdout.splitlines()
    assert words == "LayerSync: blocks 2 → 5, λ 0.2 2 5"  # 3 → 8 of 12 blocks, carried to 8
    logged = ast.literal_eval(logged)
    assert 0 < logged["layersync"] < 2
    assert logged["layersync_weight"] == 0.2
