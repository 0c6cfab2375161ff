"""UC Merced Land Use (Yang & Newsam 2010): aerial scenes as TIFF, one folder a class, split by lists of file names.

The publisher names no splits. The lists ``uc_merced-{train,val,test}.txt`` of Neumann et al. (2020), one file name a
line, 1,260, 420 and 420 images, are followed where all three lie beside the images or above them; without them the set
is cut 60/20/20 by a draw of our own, and a note says so. Some of the images are a few pixels short of 256 × 256.
"""

from __future__ import annotations

from undercoat.data.listing import Listing
from undercoat.data.readers.class_folders import ListedFolders, read_listed_folders

__all__ = ["read_uc_merced"]

_FORM = ListedFolders(
    reader="uc_merced",
    title="UC Merced",
    places=("UCMerced_LandUse/Images", "Images"),
    lists="uc_merced-{}.txt",
    classes=21,
)


def read_uc_merced(source: str) -> Listing:
    """UC Merced: UCMerced_LandUse/Images/CLASS/CLASS00.tif, and uc_merced-{train,val,test}.txt or our own split."""
    return read_listed_folders(source, _FORM)
