"""What is known of public data sets: where to get them, on what terms, and how they have to lie on disk.

Nothing is downloaded. A field that could not be made sure of is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CARDS", "DataCard"]


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """A public data set.

    Attributes:
        title: its name.
        domain: what the images show.
        images: of each published split. Where papers test on ``val``, the reader calls it ``test``.
        classes: how many.
        metric: that papers report.
        size_px: width and height; (0, 0) where they differ.
        channels: 1 or 3.
        mean: of each channel over the training images, of values in 0..1, as it is usually given; empty if unknown.
        std: standard deviation likewise.
        licence: or the terms of its publisher.
        url: its official page.
        paper: author and year, to cite.
        reader: name in front of the colon of a data spec.
        layout: what the reader expects there.
    """

    title: str
    domain: str
    images: Mapping[str, int]
    classes: int
    metric: str
    size_px: tuple[int, int] = (0, 0)
    channels: int = 3
    mean: tuple[float, ...] = field(default=())
    std: tuple[float, ...] = field(default=())
    licence: str = ""
    url: str = ""
    paper: str = ""
    reader: str
    layout: str

    def line(self) -> str:
        """All that one needs to get it and to read it, in a line.

        Example:
            >>> CARDS["mnist"].line().partition(";")[0]
            'MNIST, handwritten digits: 60,000 train + 10,000 test, 28 × 28, 10 classes, accuracy'
        """
        counts = " + ".join(f"{count:,} {name}" for name, count in self.images.items())
        size = f"{self.size_px[0]} × {self.size_px[1]}" if any(self.size_px) else "many sizes"
        facts = f"{self.title}, {self.domain}: {counts}, {size}, {self.classes} classes, {self.metric}"
        terms = self.licence or "terms: see its page"
        return f"{facts}; {self.reader}:FOLDER with {self.layout}; {terms}; {self.url}"


def _cifar(title: str, classes: int, layout: str, mean: tuple[float, ...], std: tuple[float, ...]) -> DataCard:
    return DataCard(
        title=title,
        domain="photographs of objects and animals",
        images={"train": 50_000, "test": 10_000},
        classes=classes,
        metric="accuracy",
        size_px=(32, 32),
        mean=mean,
        std=std,
        licence="no licence stated; cite the report",
        url="https://www.cs.toronto.edu/~kriz/cifar.html",
        paper="Krizhevsky 2009",
        reader="cifar",
        layout=layout,
    )


def _idx(title: str, domain: str, mean: float, std: float, licence: str, url: str, paper: str) -> DataCard:
    return DataCard(
        title=title,
        domain=domain,
        images={"train": 60_000, "test": 10_000},
        classes=10,
        metric="accuracy",
        size_px=(28, 28),
        channels=1,
        mean=(mean,),
        std=(std,),
        licence=licence,
        url=url,
        paper=paper,
        reader="idx",
        layout="the four …-ubyte[.gz] files",
    )


_PLACES_TERMS = "for academic research and education"

CARDS: dict[str, DataCard] = {
    "cifar-10": _cifar(
        "CIFAR-10",
        10,
        "data_batch_1 … test_batch and batches.meta (or .bin), or the .tar.gz",
        (0.4914, 0.4822, 0.4465),
        (0.2470, 0.2435, 0.2616),
    ),
    "cifar-100": _cifar(
        "CIFAR-100",
        100,
        "train, test and meta (or .bin), or the .tar.gz; ?labels=coarse for 20 classes",
        (0.5071, 0.4865, 0.4409),
        (0.2673, 0.2564, 0.2762),
    ),
    "imagenet-1k": DataCard(
        title="ImageNet (ILSVRC-2012)",
        domain="photographs of objects and animals",
        images={"train": 1_281_167, "val": 50_000},
        classes=1000,
        metric="top-1 accuracy",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        licence="for non-commercial research and education, on registration",
        url="https://www.image-net.org/download.php",
        paper="Russakovsky et al. 2015",
        reader="imagenet",
        layout="train/n01440764/… and val/, in class folders or flat beside the devkit or LOC_val_solution.csv",
    ),
    "places205": DataCard(
        title="Places205",
        domain="photographs of scenes",
        images={"train": 2_448_873, "val": 20_500},
        classes=205,
        metric="top-1 accuracy",
        size_px=(256, 256),
        licence=_PLACES_TERMS,
        url="http://places.csail.mit.edu/downloadData.html",
        paper="Zhou et al. 2014",
        reader="places",
        layout="trainvalsplit_places205/train_places205.csv and data/vision/torralba/deeplearning/images256/",
    ),
    "places365": DataCard(
        title="Places365-Standard",
        domain="photographs of scenes",
        images={"train": 1_803_460, "val": 36_500},
        classes=365,
        metric="top-1 accuracy",
        licence=_PLACES_TERMS,
        url="http://places2.csail.mit.edu/download.html",
        paper="Zhou et al. 2018",
        reader="places",
        layout="places365_standard/train/ and val/, or places365_train_standard.txt and the other lists with "
        "data_256/ and val_256/",
    ),
    "fashion-mnist": _idx(
        "Fashion-MNIST",
        "pictures of clothes",
        0.2860,
        0.3530,
        "MIT",
        "https://github.com/zalandoresearch/fashion-mnist",
        "Xiao, Rasul & Vollgraf 2017",
    ),
    "mnist": _idx(
        "MNIST",
        "handwritten digits",
        0.1307,
        0.3081,
        "",
        "http://yann.lecun.com/exdb/mnist/",
        "LeCun et al. 1998",
    ),
}
