"""Write the fixtures: `python tests/parity/make_fixtures.py --official FOLDER`, with the checkouts that README.md names inside.

README.md says which commits. About a minute on one core; the same versions give the same bytes.
"""

import argparse
import sys
from pathlib import Path

import numpy
import PIL
import timm
import torch
from checkouts import Official
from official_crops import crop_arrays
from official_losses import loss_arrays
from official_models import count_arrays, guidance_arrays, model_arrays
from official_relatives import relatives_arrays
from official_samplers import sampler_arrays
from official_step import step_arrays
from official_t2i import t2i_arrays
from torch import Tensor

from sra.core.errors import InputError
from sra.core.npz import write_npz

FIXTURES = Path(__file__).parent / "fixtures"
MAKERS = {
    "models": model_arrays,
    "guidance": guidance_arrays,
    "counts": count_arrays,
    "losses": loss_arrays,
    "samplers": sampler_arrays,
    "steps": step_arrays,
    "crops": crop_arrays,
    "t2i": t2i_arrays,
    "relatives": relatives_arrays,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the official code and write what it gives into tests/parity/fixtures.")
    parser.add_argument("--official", type=Path, required=True, metavar="FOLDER", help="folder with all checkouts")
    parser.add_argument("only", nargs="*", help=f"of {', '.join(MAKERS)}; all when none is named")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order
    try:
        official = Official(arguments.official)
    except InputError as error:
        sys.exit(f"error: {error}")
    for name in arguments.only or MAKERS:
        path = FIXTURES / f"{name}.npz"
        write_npz(path, {key: as_array(tensor) for key, tensor in MAKERS[name](official).items()})
        print(f"{path}: {path.stat().st_size:,} bytes")
    print(f"made with torch {torch.__version__}, timm {timm.__version__}, numpy {numpy.__version__}, pillow {PIL.__version__}")


def as_array(tensor: Tensor) -> numpy.ndarray:
    return tensor.detach().contiguous().numpy()


if __name__ == "__main__":
    main()
