"""Tiny data sets laid out exactly as the published ones are."""

import pickle
import struct
import tarfile

import numpy as np
from PIL import Image

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Python2Pickler:
    """Writes what cPickle of Python 2 wrote with protocol 2: texts as byte strings, every object in the memo."""

    def __init__(self):
        self.out, self.memo = bytearray(b"\x80\x02"), 0

    def remember(self):
        self.memo += 1
        self.out += b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)

    def put(self, value, remember=True):
        kind = "array" if isinstance(value, np.ndarray) else type(value).__name__
        getattr(self, f"put_{kind}")(value, *([] if remember else [False]))

    def put_int(self, value):
        if value < 256:
            self.out += b"K" + bytes([value])
        else:
            self.out += b"M" + struct.pack("<H", value)

    def put_bytes(self, value, remember=True):
        self.out += b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
        self.out += value
        if remember:
            self.remember()

    def put_list(self, value):
        self.items(b"]", value, b"e")

    def put_dict(self, value):
        self.items(b"}", [part for pair in value.items() for part in pair], b"u")

    def items(self, start, values, end):
        self.out += start
        self.remember()
        self.out += b"("
        for value in values:
            self.put(value)
        self.out += end

    def put_array(self, value):
        self.out += b"cnumpy.core.multiarray\n_reconstruct\n"
        self.remember()
        self.out += b"cnumpy\nndarray\n"
        self.remember()
        self.out += b"K\x00\x85U\x01b\x87R"
        self.remember()
        self.out += b"(K\x01"
        for side in value.shape:
            self.put(side)
        self.out += b"\x86cnumpy\ndtype\n"
        self.remember()
        self.out += b"U\x02u1K\x00K\x01\x87R"
        self.remember()
        self.out += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        self.put(value.tobytes(), remember=False)
        self.out += b"tb"


def python2(value):
    pickler = Python2Pickler()
    pickler.put(value)
    return bytes(pickler.out) + b"."


def cifar_pixels(batch, count):
    """(count, 3072) planes; the same images for a batch in whatever form it is written."""
    return np.random.default_rng(batch).integers(0, 256, (count, 3072), np.uint8)


def cifar10_python(folder, count=4, dump=python2):
    """``cifar-10-batches-py``; image i of a batch has label (batch + i) % 10."""
    folder.mkdir(parents=True, exist_ok=True)
    for batch, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        content = {
            b"batch_label": b"testing batch 1 of 1" if batch == 5 else f"training batch {batch + 1} of 5".encode(),
            b"labels": [(batch + i) % 10 for i in range(count)],
            b"data": cifar_pixels(batch, count),
            b"filenames": [f"picture_s_{batch}{i:05d}.png".encode() for i in range(count)],
        }
        (folder / name).write_bytes(dump(content))
    names = [name.encode() for name in CIFAR10]
    meta = {b"num_cases_per_batch": 10000, b"label_names": names, b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(dump(meta))
    (folder / "readme.html").write_text("<meta HTTP-EQUIV='REFRESH' content='0; url=…'>")
    return folder


def cifar10_binary(folder, count=4):
    """``cifar-10-batches-bin``: records of a label and 3,072 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for batch, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        labels = np.array([(batch + i) % 10 for i in range(count)], np.uint8)
        (folder / name).write_bytes(np.column_stack([labels, cifar_pixels(batch, count)]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10) + "\n\n")
    return folder


def cifar100_python(folder, count=100, dump=python2):
    """``cifar-100-python``; image i has fine label i % 100 and coarse label i % 20."""
    folder.mkdir(parents=True, exist_ok=True)
    for batch, name in enumerate(("train", "test")):
        content = {
            b"filenames": [f"picture_s_{batch}{i:05d}.png".encode() for i in range(count)],
            b"batch_label": f"{name}ing batch 1 of 1".encode(),
            b"fine_labels": [i % 100 for i in range(count)],
            b"coarse_labels": [i % 20 for i in range(count)],
            b"data": cifar_pixels(batch, count),
        }
        (folder / name).write_bytes(dump(content))
    meta = {
        b"fine_label_names": [f"fine_{i:02d}".encode() for i in range(100)],
        b"coarse_label_names": [f"coarse_{i:02d}".encode() for i in range(20)],
    }
    (folder / "meta").write_bytes(dump(meta))
    (folder / "file.txt~").write_text("")
    return folder


def cifar100_binary(folder, count=100):
    """``cifar-100-binary``: records of a coarse label, a fine label and 3,072 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for batch, name in enumerate(("train.bin", "test.bin")):
        coarse, fine = (np.arange(count) % number for number in (20, 100))
        record = np.column_stack([coarse.astype(np.uint8), fine.astype(np.uint8), cifar_pixels(batch, count)])
        (folder / name).write_bytes(record.tobytes())
    (folder / "fine_label_names.txt").write_text("".join(f"fine_{i:02d}\n" for i in range(100)))
    (folder / "coarse_label_names.txt").write_text("".join(f"coarse_{i:02d}\n" for i in range(20)))
    return folder


def python3(protocol):
    """How a set looks that somebody saved again with Python 3."""

    def dump(value):
        def text(item):
            return item.decode() if isinstance(item, bytes) else item

        plain = {text(k): [text(i) for i in v] if isinstance(v, list) else text(v) for k, v in value.items()}
        return pickle.dumps(plain, protocol=protocol)

    return dump


def pack(folder, path, last_first=True):
    """The folder as a ``.tar.gz``, its files in another order than they are read, as in the published ones."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name, recursive=False)
        for file in sorted(folder.iterdir(), reverse=last_first):
            archive.add(file, f"{folder.name}/{file.name}")
    return path


def picture(path, value=100, size=(12, 10)):
    """One small JPEG or PNG of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value % 256, 255 - value % 256, value * 7 % 256)).save(path, "JPEG")
    return path


SYNSETS = ("n01440764", "n01443537", "n02119789", "n03063599")
VAL = (2, 0, 3, 1, 1, 0, 2, 3)  # class of each image of val, in the order of their numbers
KIT_IDS = {0: 449, 1: 450, 2: 1, 3: 505}  # the kit's numbers follow another order than the names


def imagenet_train(root, images=3):
    for number, synset in enumerate(SYNSETS):
        for i in range(images):
            picture(root / "train" / synset / f"{synset}_{10026 + i}.JPEG", 40 * number + i)
    return root


def imagenet_val(folder, in_classes=False):
    """Eight images; value 200 + i so that each can be told by its pixels."""
    for i, number in enumerate(VAL):
        place = folder / SYNSETS[number] if in_classes else folder
        picture(place / f"ILSVRC2012_val_{i + 1:08d}.JPEG", 200 + i)
    return folder


def imagenet_kit(folder):
    """``meta.mat`` and the ground truth as in the development kit, inner nodes of WordNet included."""
    from scipy.io import savemat

    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(KIT_IDS[i], SYNSETS[i], "tench, Tinca tinca", "a fish", 0) for i in (2, 0, 1, 3)]
    rows += [(1001, "n00001740", "entity", "that which is", 3)]
    synsets = np.array(rows, dtype=kinds).reshape(-1, 1)
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / "meta.mat", {"synsets": synsets})
    truth = "".join(f"{KIT_IDS[number]}\n" for number in VAL)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    return folder


def imagenet_kaggle(root):
    """As Kaggle packs it: images deep inside, tables beside, boxes after each class."""
    base = root / "ILSVRC" / "Data" / "CLS-LOC"
    imagenet_train(base)
    imagenet_val(base / "val")
    picture(base / "test" / "ILSVRC2012_test_00000001.JPEG", 1)
    order = (3, 0, 7, 1, 2, 6, 4, 5)  # the table is in no order
    rows = [f"ILSVRC2012_val_{i + 1:08d},{SYNSETS[VAL[i]]} 85 1 499 272 {SYNSETS[VAL[i]]} 3 7 20 31 " for i in order]
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]) + "\n")
    (root / "LOC_synset_mapping.txt").write_text("".join(f"{name} words, more words\n" for name in SYNSETS))
    return root


SCENES = ("/a/airfield", "/a/apartment_building/outdoor", "/b/bow_window/indoor", "/z/zen_garden")


def scene(number):
    """A scene as the class folders call it: ``apartment_building-outdoor``."""
    return SCENES[number][3:].replace("/", "-")


def places365_easy(root):
    """``places365standard_easyformat.tar``: one folder a class, lists beside."""
    base = root / "places365_standard"
    for number in range(4):
        for i in range(3):
            picture(base / "train" / scene(number) / f"{i + 1:08d}.jpg", 10 * number + i)
        picture(base / "val" / scene(number) / f"Places365_val_{number + 1:08d}.jpg", 200 + number)
    lines = [f"train/{scene(number)}/{i + 1:08d}.jpg\n" for number in range(4) for i in range(3)]
    (base / "train.txt").write_text("".join(lines))
    return root


def places365_lists(root, train="data_256"):
    """The archives with their file lists; val is flat, test has no labels."""
    lines = []
    for number, name in enumerate(SCENES):
        for i in range(3):
            picture(root / f"{train}{name}/{i + 1:08d}.jpg", 10 * number + i)
            lines.append(f"{name}/{i + 1:08d}.jpg {number}\n")
        picture(root / "val_256" / f"Places365_val_{number + 1:08d}.jpg", 200 + number)
    picture(root / "test_256" / "Places365_test_00000001.jpg")
    (root / "places365_train_standard.txt").write_text("".join(lines))
    (root / "places365_val.txt").write_text("".join(f"Places365_val_{n + 1:08d}.jpg {n}\n" for n in range(4)))
    (root / "places365_test.txt").write_text("Places365_test_00000001.jpg\n")
    (root / "categories_places365.txt").write_text("".join(f"{name} {n}\n" for n, name in enumerate(SCENES)))
    return root


def places205(root):
    """Lists with a path and a number a line, all images in one tree."""
    images = root / "data" / "vision" / "torralba" / "deeplearning" / "images256"
    split = root / "trainvalsplit_places205"
    split.mkdir(parents=True)
    lines = {"train": [], "val": []}
    for number, name in enumerate(SCENES):
        for i, part in enumerate(("train", "train", "val")):
            path = f"{name[1:]}/gsun_{number}{i}.jpg"
            picture(images / path, 10 * number + i)
            lines[part].append(f"{path} {number}\n")
    for part, texts in lines.items():
        (split / f"{part}_places205.csv").write_text("".join(texts))
    return root
