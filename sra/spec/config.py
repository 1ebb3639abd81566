"""The user's own choices (`config/config.yaml` and `snakemake --config`)."""

from typing import Literal

from sra.spec.base import Strict


class Paths(Strict):
    """Where the user keeps what cannot be downloaded for them."""

    imagenet: str | None = None


class UserConfig(Strict):
    preset: str = "digits"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    paths: Paths = Paths()
