"""Tiny data sets of aerial scenes, X-rays, flowers and domains, laid out exactly as they are published."""

import numpy as np
from PIL import Image

from data.layouts import picture

AERIAL = ("airplane", "baseball_diamond", "beach")  # names of classes hold underscores too
LAND = ("agricultural", "airplane", "beach")
CLASSES = ("aircraft_carrier", "alarm_clock", "The_Eiffel_Tower")


def split_lists(folder, name, files):
    """Every fifth file for val, every fifth for test, the others for train."""
    parts = {"train": [], "val": [], "test": []}
    for i, file in enumerate(files):
        parts["val" if i % 5 == 3 else "test" if i % 5 == 4 else "train"].append(file)
    for part, names in parts.items():
        (folder / name.format(part)).write_text("".join(f"{file}\n" for file in names))


def resisc(root, images=5, lists=True):
    names = [f"{name}_{i + 1:03d}.jpg" for name in AERIAL for i in range(images)]
    for i, name in enumerate(names):
        picture(root / "NWPU-RESISC45" / name.rsplit("_", 1)[0] / name, i, (16, 16))
    if lists:
        split_lists(root, "resisc45-{}.txt", names)
    return root


def uc_merced(root, images=5, lists=True):
    """TIFF; one image is a few pixels short, as some of the published ones are."""
    names = [f"{name}{i:02d}.tif" for name in LAND for i in range(images)]
    for i, name in enumerate(names):
        path = root / "UCMerced_LandUse" / "Images" / name[:-6] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 14) if i == 1 else (16, 16), (i, 2 * i, 3 * i)).save(path, "TIFF")
    (root / "UCMerced_LandUse" / "readme.txt").write_text("UC Merced Land Use Dataset")
    if lists:
        split_lists(root, "uc_merced-{}.txt", names)
    return root


XRAYS = {
    "train/NORMAL": [f"IM-{115 + i:04d}-0001.jpeg" for i in range(6)]
    + [f"NORMAL2-IM-{1427 + i // 2}-000{i % 2 + 1}.jpeg" for i in range(6)],
    "train/PNEUMONIA": [f"person{1 + i // 3}_bacteria_{i + 1}.jpeg" for i in range(12)]
    + [f"person{10 + i // 2}_virus_{i + 30}.jpeg" for i in range(8)],
    "test/NORMAL": ["IM-0001-0001.jpeg", "NORMAL2-IM-0051-0001.jpeg"],
    "test/PNEUMONIA": ["person1_virus_6.jpeg", "person100_bacteria_475.jpeg"],
}


def chest_xray_kids(root, kaggle=False):
    """Grey JPEG of many sizes; the copy on Kaggle has a val of a few, and a second copy of everything inside."""
    folders = dict(XRAYS)
    if kaggle:
        folders |= {"val/NORMAL": ["NORMAL2-IM-1440-0001.jpeg"], "val/PNEUMONIA": ["person1946_bacteria_4874.jpeg"]}
        picture(root / "chest_xray" / "chest_xray" / "train" / "NORMAL" / "IM-0115-0001.jpeg")
        picture(root / "chest_xray" / "__MACOSX" / "train" / "NORMAL" / "._IM-0115-0001.jpeg")
    for number, (folder, names) in enumerate(folders.items()):
        for i, name in enumerate(names):
            path = root / "chest_xray" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (20 + i, 16), 40 * number + i).save(path, "JPEG")
    return root


def domainnet(root, domain="sketch", images=5, untaught=False):
    """A domain with its lists beside it; one file name holds spaces. ``untaught``: train lacks the last class."""
    lines = {"train": [], "test": []}
    for number, name in enumerate(CLASSES):
        for i in range(images + 2):
            file = f"{domain}/{name}/{domain}_{number + 1:03d}_{i + 1:06d}.{'png' if i % 2 else 'jpg'}"
            file = file.replace("_000001", " 1 (copy)")
            part = "test" if i >= images else "train"
            if part == "train" and untaught and number == len(CLASSES) - 1:
                continue
            picture(root / file, 20 * number + i)
            lines[part].append(f"{file} {number}\n")
    for part, texts in lines.items():
        (root / f"{domain}_{part}.txt").write_text("".join(texts))
    return root / domain


def flowers(root, count=12, classes=3):
    """Pictures, labels and splits that count from 1; half of the pictures are for testing, as in the published."""
    from scipy.io import savemat

    for number in range(1, count + 1):
        picture(root / "jpg" / f"image_{number:05d}.jpg", 10 * number, (14, 11))
    savemat(root / "imagelabels.mat", {"labels": np.array([[n % classes + 1 for n in range(count)]], np.uint8)})
    numbers = np.arange(1, count + 1)
    sets = {"trnid": numbers[: count // 4], "valid": numbers[count // 4 : count // 2], "tstid": numbers[count // 2 :]}
    savemat(root / "setid.mat", {key: value.astype(np.uint16)[None] for key, value in sets.items()})
    return root
