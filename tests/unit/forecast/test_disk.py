"""Files have the sizes that are predicted of them."""

import numpy as np

from sra.core.npz import write_npz
from sra.forecast import disk
from sra.spec.run import model_named
from sra.spec.scale import Latent, Text


def written(folder):
    return sum(file.stat().st_size for file in folder.iterdir() if "json" not in file.name)


def test_stores_have_the_predicted_sizes(tiny_stores):
    latents, features = tiny_stores
    assert 0 < written(latents.manifest.parent) - disk.latents_bytes(20, Latent(channels=4, size=8), "fp32") < 1000
    assert 0 < written(features.manifest.parent) - disk.features_bytes(20, 16, 12, "fp32") < 1000
    assert disk.features_bytes(20, 16, 12, "fp32") - disk.features_bytes(20, 16, 12, "fp16") == 20 * 16 * 12 * 2
    assert disk.text_bytes(19, Text(tokens=16, width=12), "fp32") == disk.features_bytes(20, 16, 12, "fp32")  # and the empty one


def test_packs_have_the_predicted_size(tmp_path):
    write_npz(tmp_path / "samples.npz", {"arr_0": np.zeros((9, 32, 32, 3), np.uint8), "labels": np.zeros(9, np.int64)})
    assert 0 < written(tmp_path) - disk.pack_bytes(9, 32) < 1000


def test_weights_and_states_have_the_predicted_sizes(tiny_run, tmp_path):
    from safetensors.torch import save_file

    from sra.models.build import build_model

    spec = tiny_run("sit_b2")
    network = build_model(spec.model, 0)
    save_file({name: parameter.detach() for name, parameter in network.named_parameters()}, tmp_path / "weights.safetensors")
    assert 0 < written(tmp_path) - disk.weights_bytes(spec.model) < 30_000
    assert disk.weights_bytes(model_named("SiT-B/2", Latent(channels=4, size=32), 1000)) == 4 * 130_303_504
