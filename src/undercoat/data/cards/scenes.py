"""Cards of aerial scenes, children's chest X-rays, flowers and DomainNet: sets with one class an image."""

from __future__ import annotations

from undercoat.data.cards.card import DataCard

__all__ = ["HPT_STATISTICS", "SCENE_CARDS"]

HPT_STATISTICS = "as the code of HPT (Reed et al. 2021) uses them"
_LISTS = "https://github.com/google-research/google-research/tree/master/remote_sensing_representations"

_DOMAINS: dict[str, tuple[str, tuple[int, int], tuple[float, float, float], tuple[float, float, float]]] = {
    # what it shows, images of the original and of the cleaned version, mean, std
    "clipart": ("clip art", (48_837, 48_129), (0.7362, 0.7167, 0.6834), (0.3642, 0.3654, 0.3887)),
    "infograph": ("infographics", (53_201, 51_605), (0.6888, 0.6970, 0.6648), (0.3331, 0.3094, 0.3281)),
    "painting": ("paintings", (75_759, 72_266), (0.5743, 0.5466, 0.5083), (0.3088, 0.3007, 0.3168)),
    "quickdraw": ("line drawings of a game", (172_500, 172_500), (0.9525, 0.9525, 0.9525), (0.2128, 0.2128, 0.2128)),
    "real": ("photographs of objects", (175_327, 172_947), (0.6059, 0.5890, 0.5558), (0.3344, 0.3279, 0.3493)),
    "sketch": ("sketches", (70_386, 69_128), (0.8327, 0.8270, 0.8179), (0.2727, 0.2753, 0.2810)),
}


def _domain(name: str) -> DataCard:
    shows, (original, cleaned), mean, std = _DOMAINS[name]
    versions = "in both versions" if original == cleaned else f"cleaned; the original version has {original:,} images"
    return DataCard(
        title=f"DomainNet {name}",
        domain=shows,
        images={"all": cleaned},
        classes=345,
        metric="top-1 accuracy",
        mean=mean,
        std=std,
        statistics=HPT_STATISTICS,
        licence="fair-use notice on its page",
        url="https://ai.bu.edu/M3SDA/",
        paper="Peng et al. 2019",
        reader="domainnet",
        folder=name,
        layout=f"the folder {name}/ beside {name}_train.txt and {name}_test.txt (counts here: {versions})",
        unverified="how many images train and test have in either version, and which version HPT used",
    )


SCENE_CARDS: dict[str, DataCard] = {
    "resisc-45": DataCard(
        title="NWPU-RESISC45",
        domain="aerial scenes",
        images={"train": 18_900, "val": 6_300, "test": 6_300},
        classes=45,
        metric="top-1 accuracy",
        size_px=(256, 256),
        mean=(0.3680, 0.3810, 0.3436),
        std=(0.2035, 0.1854, 0.1849),
        statistics=HPT_STATISTICS,
        licence="CC-BY-NC-4.0 by the card of torchgeo's copy",
        url="https://huggingface.co/datasets/torchgeo/resisc45",
        paper="Cheng, Han & Lu 2017",
        reader="resisc",
        layout=f"NWPU-RESISC45/CLASS/CLASS_001.jpg and resisc45-{{train,val,test}}.txt ({_LISTS})",
        needs=("NWPU-RESISC45|resisc45/NWPU-RESISC45|airplane",),
        whole=31_500,
    ),
    "uc-merced": DataCard(
        title="UC Merced Land Use",
        domain="aerial scenes",
        images={"train": 1_260, "val": 420, "test": 420},
        classes=21,
        metric="top-1 accuracy",
        size_px=(256, 256),
        mean=(0.4842, 0.4901, 0.4505),
        std=(0.2180, 0.2021, 0.1958),
        statistics=HPT_STATISTICS,
        licence="public domain (USGS) by the card of torchgeo's copy",
        url="http://weegee.vision.ucmerced.edu/datasets/landuse.html",
        paper="Yang & Newsam 2010",
        reader="uc_merced",
        layout=f"UCMerced_LandUse/Images/CLASS/CLASS00.tif and uc_merced-{{train,val,test}}.txt ({_LISTS})",
        needs=("UCMerced_LandUse/Images|Images|agricultural",),
        whole=2_100,
    ),
    "chest-xray-kids": DataCard(
        title="Chest X-rays of children",
        domain="with and without pneumonia",
        images={"train": 5_216, "val": 16, "test": 624},
        classes=2,
        metric="top-1 accuracy",
        channels=1,
        mean=(0.4815,),
        std=(0.2377,),
        statistics=HPT_STATISTICS,
        licence="CC-BY-4.0",
        url="https://data.mendeley.com/datasets/rscbjbr9sj",
        paper="Kermany et al. 2018",
        reader="chest_xray_kids",
        layout="train/ and test/, each with NORMAL/ and PNEUMONIA/; ?labels=causes for bacteria and virus; "
        "val/ is of the copy on Kaggle, and taken back to train",
        needs=(
            "train|chest_xray/train|ChestXRay2017/chest_xray/train|CellData/chest_xray/train"
            "|Pediatric Chest X-ray Pneumonia/train",
        ),
        unverified="how many classes HPT told apart (its head has 10 outputs; the folders give 2, the names 3)",
    ),
    "flowers-102": DataCard(
        title="Oxford Flowers-102",
        domain="photographs of flowers",
        images={"train": 1_020, "val": 1_020, "test": 6_149},
        classes=102,
        metric="top-1 accuracy",
        mean=(0.4355, 0.3777, 0.2880),
        std=(0.2970, 0.2459, 0.2705),
        statistics=HPT_STATISTICS,
        url="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        paper="Nilsback & Zisserman 2008",
        reader="flowers",
        layout="jpg/, imagelabels.mat and setid.mat",
        needs=("jpg|flowers-102/jpg", "imagelabels.mat|flowers-102/imagelabels.mat", "setid.mat|flowers-102/setid.mat"),
        whole=8_189,
    ),
    **{f"domainnet-{name}": _domain(name) for name in _DOMAINS},
}
