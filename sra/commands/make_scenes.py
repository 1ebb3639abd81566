"""Write captioned scenes of two handwritten digits as MS-COCO is downloaded: images in zips, captions as JSON.

Example: sra make-scenes --output results/shared/scenes
"""

from sra.commands.options import OutputFolder
from sra.core.receipts import write_receipt
from sra.data.captions import FOLDERS, annotation_path
from sra.data.scenes import scenes_path, write_scenes


def make_scenes(output: OutputFolder, seed: int = 0) -> None:
    """Write images (a zip a split) and annotations, each file with its receipt."""
    write_scenes(output, seed)
    facts = {"source": "scikit-learn load_digits", "licence": "BSD-3-Clause", "seed": seed}
    for split in FOLDERS:
        write_receipt(scenes_path(output, split), "images", **facts)
        write_receipt(annotation_path(output, split), "captions", **facts)
