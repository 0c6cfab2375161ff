"""The sets that come with the package, or with the packages it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.data.labelling import number_labels
from undercoat.data.listing import ArrayRows, FilePaths, Listing, MaskFiles, ZipMembers
from undercoat.data.names import Names
from undercoat.data.readers.archive import read_archive
from undercoat.errors import DataError, SpecError, did_you_mean
from undercoat.samples import PHOTOGRAPHS, SAMPLES, sample_archive

__all__ = ["read_sample"]


def read_sample(source: str) -> Listing:
    """A set that ships with the package (undercoat list data names them); nothing is downloaded."""
    if source not in SAMPLES:
        near = did_you_mean(source, SAMPLES) or f"; samples are {', '.join(SAMPLES)}"
        raise SpecError(f"'{source}' is no sample{near}")
    if source == "digits":
        return _digits()
    if source == "photographs":
        return _photographs()
    listing = replace(read_archive(str(sample_archive(source))), reader="sample", notes=())
    return replace(listing, masks=_masks(source, listing)) if SAMPLES[source].masks else listing


def _masks(source: str, listing: Listing) -> MaskFiles:
    """The masks that lie in the archive under the images' names."""
    names = Names.of(key.replace("images/", "masks/", 1) for key in listing.keys)
    return MaskFiles(
        source=ZipMembers(sample_archive(source), names),
        rows=np.arange(len(names)),
        stamp=f"{listing.stamp} masks",
        part=np.zeros(len(names), np.int64),
    )


def _digits() -> Listing:
    from sklearn.datasets import load_digits  # reads a file of its own package

    bunch = load_digits()
    # 0..16, how many of a 4 × 4 block's pixels had ink (scikit-learn), to the usual 0..255
    images = np.rint(np.asarray(bunch.images) * (255 / 16)).astype(np.uint8)[..., None]
    classes, labels = number_labels([str(target) for target in bunch.target.tolist()])

    def stream() -> Iterator[NDArray[np.generic]]:
        yield from images

    return Listing(
        name="sample:digits",
        reader="sample",
        keys=Names.of(f"{position:04d}" for position in range(len(images))),
        source=ArrayRows(images.shape, images.dtype, stream),
        stamp=f"digits {version('scikit-learn')}",
        classes=classes,
        labels=labels,
        splits=np.zeros(len(images), "<U5"),
        groups=np.zeros(len(images), "<U1"),
    )


def _photographs() -> Listing:
    spec = find_spec("skimage")  # its data module could download; the files themselves cannot
    folder = Path(next(iter((spec and spec.submodule_search_locations) or [""]))) / "data"
    names = Names.of(name for name in PHOTOGRAPHS if (folder / name).is_file())
    if not len(names):
        raise DataError("scikit-image here has none of its photographs; reinstall scikit-image")
    return Listing(
        name="sample:photographs",
        reader="sample",
        keys=names,
        source=FilePaths(folder, names),
        stamp=f"photographs {version('scikit-image')} {folder} {len(names)}",
        splits=np.zeros(len(names), "<U5"),
        groups=np.zeros(len(names), "<U1"),
    )
