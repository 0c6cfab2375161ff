"""Cards of the sets that the field has measured itself on for years: CIFAR, ImageNet, MNIST, Places."""

from __future__ import annotations

from undercoat.data.cards.card import DataCard

__all__ = ["CLASSIC_CARDS"]


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
        whole=60_000,
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
        whole=70_000,
    )


_PLACES_TERMS = "for academic research and education"

CLASSIC_CARDS: dict[str, DataCard] = {
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
