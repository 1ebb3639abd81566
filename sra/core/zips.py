"""What a zip archive says of itself, checked before anything in it is unpacked."""

import zipfile
from collections import Counter
from pathlib import Path

from sra.core.errors import InputError

# A bomb unpacks to a thousand times its size. Numbers and images never come near: small archives of blank images may, and are harmless.
MOST_TIMES = 100
HARMLESS = 2**30  # bytes


def checked_members(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members. Raises InputError for a name given twice, and for an archive that would unpack to far more than its size.

    Members may share bytes of the file, so the size is that of the file on disk and not the sum of what they claim to take in it.
    """
    members = archive.infolist()
    twice = next((name for name, times in Counter(member.filename for member in members).items() if times > 1), None)
    if twice is not None:
        raise InputError(f"{path}: member {twice!r} appears more than once; do not use this archive")
    unpacked, packed = sum(member.file_size for member in members), path.stat().st_size
    if unpacked > max(MOST_TIMES * packed, HARMLESS):
        raise InputError(f"{path}: would unpack to {unpacked:,} bytes from {packed:,}, which no images or numbers do; do not use this archive")
    return members
