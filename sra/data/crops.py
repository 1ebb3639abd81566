"""The centre crops of the papers, and the one way every image becomes RGB. Reference statistics depend on the crop: another is another metric.

`adm` (ImageNet): Dhariwal & Nichol 2021, guided-diffusion `image_datasets.py`; SRA and REPA name it `center-crop-dhariwal`.
`lanczos` (MS-COCO): Bao et al. 2023, U-ViT `datasets.py`, whose preparation REPA takes over.
"""

from PIL import Image

# Eight bits a channel. 16-bit and floating-point images have no agreed way down to 8 bits, so they are refused.
RGB_FROM = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def to_rgb(image: Image.Image) -> Image.Image:
    """Grey is repeated, a palette looked up, alpha dropped (not blended), CMYK converted by PIL without a colour profile.

    As guided-diffusion does (`convert("RGB")`); the EXIF orientation is ignored there and here.
    """
    if image.mode not in RGB_FROM:
        raise ValueError(f"images of mode {image.mode} have no 8-bit RGB form; convert them first to one of {', '.join(RGB_FROM)}")
    return image.convert("RGB")


def adm_center_crop(image: Image.Image, size: int) -> Image.Image:
    """Centre square of side `size` pixels, scaled so that it spans the short side.

    Halved by 2 x 2 means while the short side is at least 2 `size`, then resized (bicubic), then cropped; odd margins leave the larger
    part on the right and at the bottom.
    """
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = size / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def lanczos_center_crop(image: Image.Image, size: int) -> Image.Image:
    """Centre square of the short side, then resized by Lanczos (PIL, a = 3) to `size` pixels.

    Cut first: pixels outside the square do not reach its edges. Odd margins leave the larger part on the right and at the bottom.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)


CROPS = {"adm": adm_center_crop, "lanczos": lanczos_center_crop}
