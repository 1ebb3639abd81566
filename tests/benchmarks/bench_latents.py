"""Images through an autoencoder of Stable Diffusion's configuration: batches, beside one image at a time as the released preprocessing does it.

    sra bench latents --quick     4 images of 128 pixels; a minute on two cores
    sra bench latents             12

Random weights. Both read images from a zip of JPEGs, decode and crop them, and must come to the same moments.
"""

import io
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from harness import Row, options_of, publish, take_turns
from PIL import Image
from torch import Tensor

from sra.commands.index import index as index_images
from sra.data.crops import adm_center_crop
from sra.data.images import ImageSplit
from sra.encoders.vae import Vae
from sra.forecast.flops import ENCODER_FLOPS

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_networks import save_random_sd_vae  # of the tests

OURS, THEIRS = "ours", "one image at a time"
NEAR = 1e-4  # moments are about 1; sums in another order differ in the sixth digit


def main() -> None:
    parser = options_of(__doc__, turns=3, images=12, size=128, batch=4, workers=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--quick", action="store_true", help="4 images, two turns")
    options = parser.parse_args()
    if options.quick:
        options.images, options.turns = 4, 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vae = Vae.load(save_random_sd_vae(folder / "vae"), options.device)
        plain = Vae.load(folder / "vae", options.device).network.to(memory_format=torch.contiguous_format)
        write_jpegs(folder / "images.zip", options.images)
        index_images(folder / "images.zip", options.size, folder / "index.json")
        split = ImageSplit(folder / "index.json", "train")

        def ours() -> Tensor:
            batches = split.batches(range(len(split)), options.batch, options.workers)
            return torch.cat([vae.encode_moments(torch.from_numpy(batch)).cpu() for batch in batches])

        def one_at_a_time() -> Tensor:
            with zipfile.ZipFile(folder / "images.zip") as archive:
                return torch.cat([one(archive.read(path)).cpu() for path in split.paths])

        @torch.no_grad()
        def one(content: bytes) -> Tensor:
            pixels = np.array(adm_center_crop(Image.open(io.BytesIO(content)), options.size))
            image = torch.tensor(pixels).to(options.device).permute(2, 0, 1)[None].float() / 127.5 - 1
            posterior = plain.encode(image).latent_dist
            return torch.cat([posterior.mean, posterior.std], dim=1)

        difference = (ours() - one_at_a_time()).abs().max().item()
        if not difference < NEAR:
            sys.exit(f"the two differ by {difference:.2g}, expected less than {NEAR:g}")
        times = take_turns({OURS: ours, THEIRS: one_at_a_time}, options.turns, warm_up=0)
    flops = options.images * ENCODER_FLOPS["sd_vae_ft_ema"][256] * (options.size / 256) ** 2
    remark = f"{flops / times[OURS].median / 1e9:.0f} GFLOP/s"
    row = Row(f"moments of {options.images} images of {options.size} px", times[OURS], THEIRS, times[THEIRS], None, remark)
    publish("moments of images", [row], options, batch=options.batch, workers=options.workers, largest_difference=f"{difference:.1e}")


def write_jpegs(path: Path, count: int) -> None:
    """500 x 375 pixels, as most of ImageNet."""
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            buffer = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (375, 500, 3), dtype=np.uint8)).save(buffer, "JPEG", quality=90)
            archive.writestr(f"n01440764/{number:05d}.JPEG", buffer.getvalue())


if __name__ == "__main__":
    main()
