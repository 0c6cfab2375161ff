"""NWPU-RESISC45 (Cheng, Han & Lu 2017): aerial scenes in one folder a class, split by lists of file names.

The publisher names no splits. The lists ``resisc45-{train,val,test}.txt`` of Neumann et al. (2020), one file name a
line, 18,900, 6,300 and 6,300 images, are followed where all three lie beside the images or above them. Without them the
set is cut 60/20/20 by a draw of our own, and a note says so: numbers on it do not compare with published ones.
"""

from __future__ import annotations

from undercoat.data.listing import Listing
from undercoat.data.readers.class_folders import ListedFolders, read_listed_folders

__all__ = ["read_resisc"]

_FORM = ListedFolders(
    reader="resisc",
    title="RESISC-45",
    places=("NWPU-RESISC45", "resisc45/NWPU-RESISC45"),
    lists="resisc45-{}.txt",
    classes=45,
)


def read_resisc(source: str) -> Listing:
    """RESISC-45: NWPU-RESISC45/CLASS/CLASS_001.jpg, and resisc45-{train,val,test}.txt or a split of our own."""
    return read_listed_folders(source, _FORM)
