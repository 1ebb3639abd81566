"""Images through an autoencoder of Stable Diffusion's configuration: batches, against one image at a time as the released preprocessing does it.

Random weights; images are read from a zip of JPEGs by both, decoded and cropped. Options: --images, --size, --batch, --workers, --turns, --device.
"""

import argparse
import io
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from harness import report, take_turns
from PIL import Image
from torch import Tensor

from sra.data.crops import adm_center_crop
from sra.data.images import ImageSplit
from sra.encoders.vae import Vae
from sra.stages.index_images import index_images

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_networks import save_random_sd_vae  # of the tests

NEAR = 1e-4  # moments are about 1; sums in another order differ in the sixth digit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--size", type=int, default=128, help="pixels; 256 for the paper's")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options, sys.argv[1:] = parser.parse_known_args()  # the harness reads the rest
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
        timings = take_turns({"store's batches": ours, "one image at a time": one_at_a_time}, options.turns, warm_up=0)
    facts = {key: value for key, value in vars(options).items() if key != "turns"}
    report("moments of images", timings, ours="store's batches", **facts, largest_difference=f"{difference:.1e}")


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
