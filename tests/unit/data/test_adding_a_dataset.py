"""What config/README.md tells people to add for a data set, added to a copy of the repository, is planned, made and indexed."""

import os
import re
import shutil
from pathlib import Path

import pytest
from checkout import Checkout

from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.receipts import read_receipt
from sra.plan.workflow import checked_plan

ROOT = Path(__file__).parents[3]
README = (ROOT / "config/README.md").read_text(encoding="utf-8")
ROW = re.search(r"```\n(stripes\t.*\n)```", README)[1]
WRITTEN = {path: text for path, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", README, flags=re.DOTALL) if "stripes" in path}
STRIPES = ("--config", "preset=stripes")


class CheckoutWithCode(Checkout):
    """With a copy of the package, which commands run there."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        shutil.copytree(ROOT / "sra", folder / "sra")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder)}


@pytest.mark.slow
def test_the_documented_data_set_is_made_in_a_copy_of_the_repository(tmp_path):
    copy = CheckoutWithCode(tmp_path)
    assert set(WRITTEN) == {"sra/data/stripes.py", "config/presets/stripes.yaml"}
    for path, text in WRITTEN.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    with (tmp_path / "config/datasets.tsv").open("a", encoding="utf-8") as file:
        file.write(ROW)

    jobs = copy.planned("table_6", *STRIPES)
    # The digits are made for the small networks, which this preset has from theirs.
    assert (jobs["make_stripes"], jobs["make_digits"], jobs["train_segment"], jobs["score_samples"]) == (1, 1, 4, 3)

    index = tmp_path / "results/shared/stripes/index.json"
    done = copy.snakemake("results/shared/stripes/index.json", "--show-failed-logs", *STRIPES)
    assert done.returncode == 0, done.stdout[-4000:]
    assert len(read_json(index)["images"]) == 2000
    assert read_receipt(index, "index")["facts"]["splits"] == {"train": 1600, "held_out": 400}
    assert read_receipt(index.with_name("images.zip"), "images")["facts"]["licence"] == "CC0-1.0"

    copy.edit("config/datasets.tsv", "numpy\t2000", "numpy\t2500")  # a changed row is another data set
    assert copy.planned("results/shared/stripes/index.json", *STRIPES) == {"make_stripes": 1, "index_images": 1}


def test_images_on_disk_take_a_row_and_a_line(checkout):
    with (checkout.folder / "config/datasets.tsv").open("a", encoding="utf-8") as file:
        file.write("birds\t\tpaths.birds\t5994\t200\t\tas their makers say\tbirds in class folders\n")
    preset = checkout.folder / "config/presets/birds.yaml"
    preset.write_text("based_on: digits\ntitle: birds\ndataset: birds\n", encoding="utf-8")
    config = ("--config", "preset=birds", "paths={birds: /data/birds}")
    done = checkout.snakemake("-n", "-p", "results/shared/birds/index.json", *config)
    assert "sra index --images /data/birds --image-size 32 --expected-images 5994 --expected-classes 200" in done.stdout, done.stdout
    assert "rule make_" not in done.stdout


@pytest.mark.parametrize(
    ("row", "paths", "message"),
    [
        ("", {}, r"data set 'stripes' is not in config/datasets.tsv; known: digits, digits64, fashion, "),
        (ROW, {}, r"config/datasets.tsv: stripes is made by sra/data/stripes.py: no such file; write it"),
        (ROW.replace("stripes\tstripes", "stripes\tdigits"), {"strips": "x"}, r"paths.strips: unknown key 'strips'; known: coco, downloads"),
        (ROW.replace("stripes\tstripes", "stripes\t"), {}, r"datasets.tsv line \d+: .*source 'drawn by numpy' is no path of the user's"),
    ],
    ids=["no row", "no file", "no such path", "neither file nor path"],
)
def test_what_is_missing_is_named(row, paths, message, checkout):
    (checkout.folder / "config/presets/stripes.yaml").write_text(WRITTEN["config/presets/stripes.yaml"], encoding="utf-8")
    with (checkout.folder / "config/datasets.tsv").open("a", encoding="utf-8") as file:
        file.write(row)
    with pytest.raises(InputError, match=message) as caught:
        checked_plan(checkout.folder, {"preset": "stripes", "paths": paths})
    assert "\n" not in str(caught.value)
