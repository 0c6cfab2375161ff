"""Every reader by the name that stands before the colon of a data spec."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

from undercoat.data.listing import Listing
from undercoat.data.readers.archive import read_archive
from undercoat.data.readers.arrays import read_arrays
from undercoat.data.readers.bdd100k import read_bdd100k
from undercoat.data.readers.chest_xray_kids import read_chest_xray_kids
from undercoat.data.readers.chexpert import read_chexpert
from undercoat.data.readers.cifar import read_cifar
from undercoat.data.readers.coco import read_coco
from undercoat.data.readers.domainnet import read_domainnet
from undercoat.data.readers.flowers import read_flowers
from undercoat.data.readers.folder import read_folder
from undercoat.data.readers.idx import read_idx
from undercoat.data.readers.imagenet import read_imagenet
from undercoat.data.readers.pairs import read_pairs
from undercoat.data.readers.photo import read_photo
from undercoat.data.readers.places import read_places
from undercoat.data.readers.resisc import read_resisc
from undercoat.data.readers.sample import read_sample
from undercoat.data.readers.table import read_table
from undercoat.data.readers.uc_merced import read_uc_merced
from undercoat.data.readers.viper import read_viper
from undercoat.data.readers.voc import read_voc
from undercoat.data.readers.xview import read_xview

__all__ = ["READERS", "readers_with"]

READERS: dict[str, Callable[..., Listing]] = {
    "folder": read_folder,
    "csv": read_table,
    "idx": read_idx,
    "cifar": read_cifar,
    "imagenet": read_imagenet,
    "places": read_places,
    "resisc": read_resisc,
    "uc_merced": read_uc_merced,
    "chest_xray_kids": read_chest_xray_kids,
    "domainnet": read_domainnet,
    "flowers": read_flowers,
    "coco": read_coco,
    "voc": read_voc,
    "chexpert": read_chexpert,
    "bdd100k": read_bdd100k,
    "viper": read_viper,
    "xview": read_xview,
    "pairs": read_pairs,
    "arrays": read_arrays,
    "zip": read_archive,
    "sample": read_sample,
    "photo": read_photo,
}


def readers_with(option: str) -> tuple[str, ...]:
    """The readers that take an option of a data spec, such as ``labels``.

    Example:
        >>> "cifar" in readers_with("labels"), "folder" in readers_with("labels")
        (True, False)
    """
    return tuple(name for name, reader in READERS.items() if option in signature(reader).parameters)
