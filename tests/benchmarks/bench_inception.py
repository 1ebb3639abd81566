"""Features of the FID Inception network in images a second: ours and torch-fidelity's own class on the same random weights.

Both read the same images and give pooled features and logits; ours gives the spatial features of sFID besides. Before the times it prints how far
the features are apart, as a share of the largest value, beside how far torch-fidelity's are from its own in float64: float32 can be no closer.
Options: --images of --size pixels a turn, --turns.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from harness import report, take_turns
from torch import Tensor
from torch.nn import functional as F
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from sra.metrics.extractors import spatial_features
from sra.metrics.inception import InceptionExtractor

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_networks import save_random_inception  # of the tests


def pictures(count: int, size: int) -> Tensor:
    """(count, size, size, 3) uint8: soft shapes and noise."""
    torch.manual_seed(0)
    layers = [
        F.interpolate(torch.randn(count, 3, cells, cells), size=size, mode="bicubic") * strength for cells, strength in ((2, 50), (8, 30), (64, 10))
    ]
    return (sum(layers) + 128).clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()


def torch_fidelity_features(network: FeatureExtractorInceptionV3, images: Tensor) -> dict[str, Tensor]:
    """images (B, 3, H, W) uint8; the spatial features by a hook, since torch-fidelity has no sFID."""
    maps = []
    hook = network.Mixed_6d.branch1x1.register_forward_hook(lambda _, __, out: maps.append(out))
    with torch.inference_mode():
        pooled, logits = network(images)
    hook.remove()
    return {"pooled": pooled, "spatial": spatial_features(maps[0]), "logits": logits}


def difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> str:
    shares = {name: float((ours[name].double() - theirs[name]).abs().max() / theirs[name].abs().max()) for name in theirs}
    return ", ".join(f"{name} {share:.1e}" for name, share in shares.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--turns", type=int, default=5)
    options, sys.argv[1:] = parser.parse_known_args()  # the harness reads the rest

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        ours = InceptionExtractor.load(path, sha256=save_random_inception(path))
        official = FeatureExtractorInceptionV3("official", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path))
    rows = pictures(options.images, options.size)
    images, planes = rows.numpy(), rows.permute(0, 3, 1, 2).contiguous()

    few = planes[:16]
    theirs = torch_fidelity_features(official, few)
    print(f"largest difference, ours from torch-fidelity's: {difference(vars(ours.features(images[:16])), theirs)}")
    official.feature_extractor_internal_dtype = torch.float64
    print(f"torch-fidelity's from its own in float64:       {difference(theirs, torch_fidelity_features(official.double(), few))}")
    official.float().feature_extractor_internal_dtype = torch.float32

    def by_torch_fidelity() -> None:
        with torch.inference_mode():
            for batch in planes.split(64):  # its default
                official(batch)

    timings = take_turns({"ours": lambda: ours.features(images), "torch-fidelity": by_torch_fidelity}, options.turns)
    rates = {f"{name} images/s": f"{options.images / timing.median:.1f}" for name, timing in timings.items()}
    report("Inception features", timings, "ours", images=options.images, pixels=options.size, **rates)
    print(f"{timings['torch-fidelity'].median / timings['ours'].median:.2f} times torch-fidelity's images a second")


if __name__ == "__main__":
    main()
