"""Features of the FID Inception network: ours beside torch-fidelity's own class, from the same images and the same random weights.

    sra bench features --quick      16 images; under a minute on two cores
    sra bench features              64

Both give pooled features and logits; ours gives the spatial features of sFID besides. Before the times it prints how far the features are
apart, as a share of the largest value, beside how far torch-fidelity's are from its own in float64: float32 can be no closer.
"""

import sys
import tempfile
from pathlib import Path

import torch
from harness import Row, ceiling_candidates, ceilings_of, options_of, publish, take_turns
from torch import Tensor
from torch.nn import functional as F
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from sra.forecast.flops import EXTRACTOR_FLOPS
from sra.metrics.extractors import spatial_features
from sra.metrics.inception import InceptionExtractor

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_networks import save_random_inception  # of the tests

OURS, THEIRS = "ours", "torch-fidelity"
NEAR = 1e-5  # of the largest value
FEW = 16


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


def difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest of the three, as a share of the largest value of its kind."""
    return max(float((ours[name].double() - theirs[name]).abs().max() / theirs[name].abs().max()) for name in theirs)


def main() -> None:
    parser = options_of(__doc__, turns=5, images=64, size=256)
    parser.add_argument("--quick", action="store_true", help=f"{FEW} images, three turns")
    options = parser.parse_args()
    count, turns = (FEW, 3) if options.quick else (options.images, options.turns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        ours = InceptionExtractor.load(path, sha256=save_random_inception(path))
        official = FeatureExtractorInceptionV3("official", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path))
    rows = pictures(count, options.size)
    images, planes = rows.numpy(), rows.permute(0, 3, 1, 2).contiguous()

    few = planes[:FEW]
    theirs = torch_fidelity_features(official, few)
    apart = difference(vars(ours.features(images[:FEW])), theirs)
    official.feature_extractor_internal_dtype = torch.float64
    in_float64 = difference(theirs, torch_fidelity_features(official.double(), few))
    official.float().feature_extractor_internal_dtype = torch.float32
    if not apart < NEAR:
        sys.exit(f"the features differ by {apart:.1e} of the largest value, expected less than {NEAR:g}")

    def by_torch_fidelity() -> None:
        with torch.inference_mode():
            for batch in planes.split(64):  # its default
                official(batch)

    times = take_turns({OURS: lambda: ours.features(images), THEIRS: by_torch_fidelity, **ceiling_candidates()[0]}, turns)
    ceilings = ceilings_of(times)
    share = count * EXTRACTOR_FLOPS["inception_2015"] / times[OURS].median / ceilings["matrix product"]
    remark = f"{count / times[OURS].median:.0f} images/s"
    row = Row(f"Inception features of {count} images of {options.size} px", times[OURS], THEIRS, times[THEIRS], share, remark)
    publish("Inception features", [row], options, ceilings, difference=f"{apart:.1e}", torch_fidelity_from_its_float64=f"{in_float64:.1e}")


if __name__ == "__main__":
    main()
