"""A folder as MS-COCO 2014 is downloaded, with random images and captions in words that `random_clip` knows. Nothing is downloaded."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

CAPTIONS = (
    "a red three left of a blue five",
    "a photo of the green seven",
    "the blue three, and nothing else",
    "a green five of a red seven",
    "a photo of nothing",
)


def write_random_coco(folder: Path, images: dict[str, int], size: tuple[int, int] = (40, 32)) -> Path:
    """annotations/*.json, train2014/ and val2014/ with so many JPEGs by split, every fourth of them grey; image i has i % 3 + 1 captions."""
    (folder / "annotations").mkdir(parents=True)
    random, first = np.random.default_rng(0), 1
    for split, count in images.items():
        (folder / f"{split}2014").mkdir()
        listed, captions = [], []
        for number in range(count):
            name = f"COCO_{split}2014_{first:012d}.jpg"
            # Smooth colours: noise alone would be much the same picture again and again.
            picture = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
            picture.convert("L" if number % 4 == 3 else "RGB").save(folder / f"{split}2014" / name, quality=95)
            listed.append({"id": first, "file_name": name, "width": size[0], "height": size[1]})
            captions += [{"id": 10 * first + k, "image_id": first, "caption": CAPTIONS[(number + k) % len(CAPTIONS)]} for k in range(number % 3 + 1)]
            first += 1
        content = {"info": {}, "images": listed, "annotations": captions}
        (folder / f"annotations/captions_{split}2014.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
