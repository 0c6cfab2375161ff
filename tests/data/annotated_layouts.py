"""Tiny annotated sets laid out exactly as the published ones are."""

import json

import numpy as np
from PIL import Image

from data.layouts import picture

CATEGORIES = ((1, "person"), (2, "bicycle"), (13, "stop sign"), (90, "toothbrush"))  # the numbers have gaps
COCO_SHOWN = ({1}, {2, 13}, set(), {90}, {1, 2}, {13}, {90, 1}, {2})  # categories by image; one has no annotation


def coco(root, year="2014", images="", train=8, val=8):
    (root / "annotations").mkdir(parents=True)
    for part, count in (("train", train), ("val", val)):
        listed, marks = [], []
        for i in range(count):
            number = 100 * (1 + (part == "val")) + 7 * i
            name = f"COCO_{part}{year}_{number:012d}.jpg"
            picture(root / images / f"{part}{year}" / name, 20 * i)
            listed.append({"license": 3, "file_name": name, "height": 10, "width": 12, "id": number})
            for category in COCO_SHOWN[i % len(COCO_SHOWN)]:
                box = {"segmentation": [[0.5, 1.25, 3.5, 4.0]], "area": 2.5, "iscrowd": 0, "bbox": [0.5, 1, 3, 3]}
                marks += [{**box, "image_id": number, "category_id": category, "id": len(marks) + k} for k in range(2)]
        kinds = [{"supercategory": "thing", "id": number, "name": name} for number, name in CATEGORIES]
        content = {
            "info": {"description": "COCO 2014 Dataset", "year": 2014, "version": "1.0"},
            "images": listed[::-1],  # in no order
            "licenses": [{"id": 3, "name": "Attribution"}],
            "annotations": marks,
            "categories": kinds,
        }
        (root / "annotations" / f"instances_{part}{year}.json").write_text(json.dumps(content))
    return root


VOC_CLASSES = ("aeroplane", "cat", "tvmonitor")


def voc(root):
    """Both years; 000001 is in both, 0 is a hard object, 2012 has no test lists, masks and XML lie beside."""
    for year, parts in (("VOC2007", {"trainval": 6, "test": 4}), ("VOC2012", {"trainval": 5})):
        base = root / "VOCdevkit" / year
        (base / "ImageSets" / "Main").mkdir(parents=True)
        first = 1
        for part, count in parts.items():
            ids = [f"{first + i:06d}" if year == "VOC2007" else f"2008_{first + i:06d}" for i in range(count)]
            ids[0] = "000001" if part == "trainval" else ids[0]
            for i, image in enumerate(ids):
                picture(base / "JPEGImages" / f"{image}.jpg", 10 * i)
            for number, label in enumerate(VOC_CLASSES):
                rows = [f"{image} {(1, 0, -1)[(i + number) % 3]:2d}" for i, image in enumerate(ids)]
                (base / "ImageSets" / "Main" / f"{label}_{part}.txt").write_text("\n".join(rows) + "\n")
            (base / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(ids) + "\n")
            first += count
        (base / "Annotations").mkdir()
        (base / "Annotations" / "000001.xml").write_text("<annotation/>")
    return root


CHEXPERT_HEAD = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


def chexpert(root, patients=10, name="CheXpert-v1.0-small", views=None):
    """Patients of one to three views; the first view has uncertain edema, blanks stand for what is not mentioned."""
    base = root / name
    for part, first, count in (("train", 1, patients), ("valid", 64541, 2)):
        rows = [CHEXPERT_HEAD]
        for patient in range(first, first + count):
            for view in range(views[patient - first] if views and part == "train" else 1 + patient % 3):
                side = "frontal" if view != 2 else "lateral"
                below = f"{part}/patient{patient:05d}/study{1 + view // 2}/view{1 + view}_{side}.jpg"
                picture(base / below, patient)
                edema = "-1.0" if view == 0 and part == "train" else "0.0"
                rows.append(f"{name}/{below},Female,68,Frontal,AP,1.0,,,,,{edema},,,1.0,,{'1.0' if view else ''},,,1.0")
        (base / f"{part}.csv").write_text("\n".join(rows) + "\n")
    return root


def bdd100k(root, train=20, val=6):
    """One image of train has no frame, and every fifth has undefined weather."""
    weathers = ("clear", "rainy", "overcast", "snowy", "undefined")
    (root / "labels").mkdir(parents=True)
    for part, count in (("train", train), ("val", val)):
        frames = []
        for i in range(count):
            name = f"{part[0]}{i:07d}-{i * 7919 % 65536:08x}.jpg"
            picture(root / "images" / "100k" / part / name, 9 * i)
            attributes = {"weather": weathers[i % 5], "scene": ("city street", "highway")[i % 2], "timeofday": "night"}
            labels = [{"category": "car", "box2d": {"x1": 1.5, "y1": 2.5, "x2": 9.0, "y2": 8.0}, "id": i}]
            frames.append({"name": name, "attributes": attributes, "timestamp": 10000, "labels": labels})
        (root / "labels" / f"bdd100k_labels_images_{part}.json").write_text(json.dumps(frames, indent=4))
    picture(root / "images" / "100k" / "test" / "t0000000-00000000.jpg")
    picture(root / "images" / "100k" / "train" / "unlisted.jpg")
    return root


VIPER_TABLE = (  # number, name, colour, whether it counts
    (0, "unlabeled", (0, 0, 0), 0),
    (2, "sky", (70, 130, 180), 1),
    (3, "road", (128, 64, 128), 1),
    (20, "car", (0, 0, 142), 1),
    (31, "rare", (9, 9, 9), 1),
)


def viper(root, coloured=False, sequences=5):
    """Frame f of sequence s shows road, a car if f is odd and sky if s is even; test has no masks."""
    for part, count in (("train", sequences), ("val", 2), ("test", 1)):
        for s in range(1, count + 1):
            for f in range(1, 4):
                name = f"{s:03d}/{s:03d}_{f * 10:05d}"
                picture(root / part / "img" / f"{name}.jpg", 10 * s + f)
                if part != "test":
                    viper_mask(root / part / "cls" / f"{name}.png", s, f, coloured)
    rows = [
        f"{number},{name},{red},{green},{blue},{counts}" for number, name, (red, green, blue), counts in VIPER_TABLE
    ]
    (root / "classes.csv").write_text("id,classname,red,green,blue,class_eval\n" + "\n".join(rows) + "\n")
    return root


def viper_mask(path, sequence, frame, coloured):
    mask = np.full((10, 12), 3, np.uint8)
    mask[0, 0] = 0
    mask[1:3, 1:3] = 20 if frame % 2 else 3
    mask[5, 5] = 2 if sequence % 2 == 0 else 3
    if coloured:
        colours = np.zeros((256, 3), np.uint8)
        for number, _, colour, _ in VIPER_TABLE:
            colours[number] = colour
        mask = colours[mask]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


def scene_pixels(number, height, width):
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def xview(root, scenes=10, size=(600, 700), **tiff):
    """Scenes of 4 chips; a car (18) in the first chip of each, a plane (11) in the last of every second."""
    import tifffile

    (root / "train_images").mkdir(parents=True)
    height, width = size
    features = []
    for number in range(scenes):
        name = f"{5 + 100 * number}.tif"
        tifffile.imwrite(root / "train_images" / name, scene_pixels(number, height, width), photometric="rgb", **tiff)
        features.append(xview_feature(name, 18, (10, 20, 31, 40)))
        if number % 2:
            features.append(xview_feature(name, 11, (width - 30, height - 30, width + 10, height - 2)))
    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
        "features": features,
    }
    (root / "xView_train.geojson").write_text(json.dumps(content))
    return root


def xview_feature(name, kind, box):
    return {
        "type": "Feature",
        "properties": {"bounds_imcoords": ",".join(map(str, box)), "image_id": name, "type_id": kind, "feature_id": 7},
        "geometry": {"type": "Polygon", "coordinates": [[[-90.5, 15.25], [-90.5, 15.5]]]},
    }
