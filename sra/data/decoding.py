"""The one place that opens an image: bytes of a PNG or JPEG to RGB pixels, or one line that says why not."""

import io
import warnings

from PIL import Image

from sra.core.errors import InputError
from sra.core.kinds import HEAD, kind_of_bytes
from sra.data.archives import Images
from sra.data.crops import RGB_FROM, to_rgb

# PIL warns of odd metadata that does not touch the pixels. Said once for all: putting filters back after each image is not safe among threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decoded(source: Images, name: str, content: bytes) -> Image.Image:
    """One member, read as `content`, as RGB with every pixel decoded: the one function that opens an image.

    Its kind is told by its content (ImageNet has a PNG named .JPEG). Grey is repeated, CMYK converted by PIL without a profile, a palette
    looked up and its transparency dropped; all as ADM does, by `convert("RGB")` alone, so an EXIF rotation is NOT applied (`crops.to_rgb`).
    Refused by name with InputError: damaged or truncated images, and 16 bits a channel in grey PNGs, which `convert` would clip to white.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        if image.width * image.height > Image.MAX_IMAGE_PIXELS:  # PIL only warns of up to twice as many, and takes the memory
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        kind = kind_of_bytes(content[:HEAD])
        if isinstance(error, Image.UnidentifiedImageError) and kind.endswith("image"):
            raise InputError(f"{source.path}: member {name!r} is a {kind}, expected PNG or JPEG; convert it") from None
        raise InputError(f"{source.path}: member {name!r} is not a whole image ({_short(error)}); replace or remove it") from None
    if image.mode not in RGB_FROM:
        raise InputError(f"{source.path}: member {name!r} has mode {image.mode}, expected 8 bits a channel; convert it")
    return to_rgb(image)


def _short(error: Exception) -> str:
    # PIL's "cannot identify" prints a memory address, which helps nobody.
    return "not a PNG or JPEG" if isinstance(error, Image.UnidentifiedImageError) else str(error)
