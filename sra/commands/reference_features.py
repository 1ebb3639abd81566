"""Features of a reference's images, once for all the scores that compare with it.

Example: sra reference-features --reference VIRTUAL_imagenet256_labeled.npz --output features.npz
"""

from sra.commands import options
from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.metrics.precision_recall import NEIGHBOURS
from sra.metrics.real_images import ReadAs
from sra.metrics.score_inputs import FEATURES_KIND, open_extractor, open_reference
from sra.metrics.suite import real_features
from sra.models.device import choose_device


def reference_features(
    reference: options.Reference,
    output: options.Output,
    extractor: options.FoundExtractor = None,
    extractor_name: options.ExtractorName = None,
    reference_name: options.ReferenceName = None,
    reference_key: options.ReferenceKey = None,
    allow_jpeg: options.AllowJpeg = False,
    recursive: options.Recursive = None,
    batch: options.ImagesAtATime = 256,
    device: options.Device = "auto",
) -> None:
    """Write pooled (n, d) float32 and digests (n, 16) uint8 of the n images in the reference's arr_0, and what they were made from."""
    where = choose_device(device).type
    network = open_extractor(extractor, where, extractor_name)
    real = open_reference(reference, network, ("sfid",), reference_name, read_as=ReadAs(reference_key, allow_jpeg, recursive))
    if len(real.reference.images) <= NEIGHBOURS:
        raise InputError(f"{reference}: {len(real.reference.images)} images in arr_0; precision and recall need at least {NEIGHBOURS + 1}")
    found = real_features(real.reference.images, network.extractor, batch)
    write_npz(output, {"pooled": found.pooled.cpu().numpy(), "digests": found.digests})
    hashes = {"reference": real.sha256, "extractor": network.sha256}
    write_receipt(output, FEATURES_KIND, hashes=hashes, name=network.extractor.name, images=len(found.pooled), batch=batch, device=where)
