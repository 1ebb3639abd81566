"""Stage: features of a reference's images, computed once for all the scores that compare with it."""

from pathlib import Path

from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.metrics.precision_recall import NEIGHBOURS
from sra.metrics.suite import real_features
from sra.stages.real_images import AS_USUAL, ReadAs
from sra.stages.score_inputs import FEATURES_KIND, open_extractor, open_reference


def reference_features(
    reference: Path,
    extractor: Path | None,
    output: Path,
    extractor_name: str | None = None,
    reference_name: str | None = None,
    batch: int = 256,
    device: str = "cpu",
    read_as: ReadAs = AS_USUAL,
) -> None:
    """Write pooled (n, d) float32 and digests (n, 16) uint8 of the n images in the reference's arr_0, and what they were made from."""
    network = open_extractor(extractor, device, extractor_name)
    real = open_reference(reference, network, ("sfid",), reference_name, read_as=read_as)
    if len(real.reference.images) <= NEIGHBOURS:
        raise InputError(f"{reference}: {len(real.reference.images)} images in arr_0; precision and recall need at least {NEIGHBOURS + 1}")
    found = real_features(real.reference.images, network.extractor, batch)
    write_npz(output, {"pooled": found.pooled.cpu().numpy(), "digests": found.digests})
    hashes = {"reference": real.sha256, "extractor": network.sha256}
    write_receipt(output, FEATURES_KIND, hashes=hashes, name=network.extractor.name, images=len(found.pooled), batch=batch, device=device)
