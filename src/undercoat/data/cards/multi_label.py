"""Cards of annotated public sets: several classes an image, or attributes of a frame."""

from __future__ import annotations

from undercoat.data.cards.card import DataCard
from undercoat.data.cards.scenes import HPT_STATISTICS

__all__ = ["MULTI_LABEL_CARDS"]

_AUROC = "mean AUROC"

MULTI_LABEL_CARDS: dict[str, DataCard] = {
    "coco-2014": DataCard(
        title="COCO 2014",
        domain="photographs of everyday scenes with many objects",
        images={},
        classes=80,
        metric=_AUROC,
        mean=(0.4702, 0.4470, 0.4076),
        std=(0.2785, 0.2740, 0.2889),
        statistics=HPT_STATISTICS,
        url="https://cocodataset.org/#download",
        paper="Lin et al. 2014",
        reader="coco",
        layout="train2014/, val2014/ and annotations/instances_{train,val}2014.json",
        needs=(
            "annotations/instances_train2014.json",
            "annotations/instances_val2014.json",
            "train2014|images/train2014",
            "val2014|images/val2014",
        ),
        unverified="82,783 train and 40,504 val images; annotations CC BY 4.0, photographs on Flickr's terms; "
        "which half of val HPT tests on",
    ),
    "pascal-voc": DataCard(
        title="Pascal VOC 2007 and 2012",
        domain="photographs of everyday scenes",
        images={},
        classes=20,
        metric=_AUROC,
        mean=(0.4511, 0.4292, 0.3967),
        std=(0.2764, 0.2729, 0.2849),
        statistics=HPT_STATISTICS,
        url="http://host.robots.ox.ac.uk/pascal/VOC/",
        paper="Everingham et al. 2010",
        reader="voc",
        layout="VOCdevkit/VOC2007 and VOCdevkit/VOC2012, each with JPEGImages/ and ImageSets/Main/CLASS_trainval.txt, "
        "and for 2007 CLASS_test.txt",
        needs=(
            "VOCdevkit/VOC2007/JPEGImages|VOC2007/JPEGImages",
            "VOCdevkit/VOC2012/JPEGImages|VOC2012/JPEGImages",
            "VOCdevkit/VOC2007/ImageSets/Main/cat_test.txt|VOC2007/ImageSets/Main/cat_test.txt",
        ),
        unverified="16,551 images in the two trainval parts and 4,952 in the test part of 2007",
    ),
    "chexpert": DataCard(
        title="CheXpert",
        domain="chest radiographs",
        images={"train": 223_414, "val": 234},
        classes=5,
        metric=_AUROC,
        channels=1,
        mean=(0.5028,),
        std=(0.2919,),
        statistics=HPT_STATISTICS,
        url="https://stanfordmlgroup.github.io/competitions/chexpert/",
        paper="Irvin et al. 2019",
        reader="chexpert",
        layout="train.csv, valid.csv, train/patient00001/… and valid/…, in full size or small; ?labels=all for 14 "
        "findings, ?uncertain=ones or ignore",
        needs=(
            "train.csv|CheXpert-v1.0-small/train.csv|CheXpert-v1.0/train.csv",
            "valid.csv|CheXpert-v1.0-small/valid.csv|CheXpert-v1.0/valid.csv",
        ),
        whole=223_648,
        unverified="a research-use agreement of its publisher; that HPT's five findings are those of the competition",
    ),
    "bdd100k": DataCard(
        title="BDD100K",
        domain="frames of a driving camera, by weather",
        images={},
        classes=6,
        metric="top-1 accuracy",
        size_px=(1280, 720),
        mean=(0.2789, 0.2929, 0.2902),
        std=(0.2474, 0.2653, 0.2761),
        statistics=HPT_STATISTICS,
        licence="UC Regents' terms: free for education, research and non-profit use",
        url="https://bdd-data.berkeley.edu/",
        paper="Yu et al. 2020",
        reader="bdd100k",
        layout="images/100k/{train,val}/ and labels/bdd100k_labels_images_{train,val}.json; ?labels=scene or timeofday",
        needs=(
            "labels/bdd100k_labels_images_train.json|bdd100k/labels/bdd100k_labels_images_train.json",
            "labels/bdd100k_labels_images_val.json|bdd100k/labels/bdd100k_labels_images_val.json",
            "images/100k/train|bdd100k/images/100k/train",
            "images/100k/val|bdd100k/images/100k/val",
        ),
        unverified="how many images its parts have, and how HPT cut them",
    ),
    "viper": DataCard(
        title="VIPER",
        domain="frames of a driving game, by the classes in their masks",
        images={},
        classes=23,
        metric=_AUROC,
        size_px=(1920, 1080),
        mean=(0.3485, 0.3422, 0.3395),
        std=(0.2449, 0.2408, 0.2390),
        statistics=HPT_STATISTICS,
        url="https://playing-for-benchmarks.org/",
        paper="Richter, Hayder & Koltun 2017",
        reader="viper",
        layout="{train,val}/{img,cls}/SEQUENCE/SEQUENCE_FRAME.{jpg,png} and a classes.csv (id, name, red, green, blue, "
        "evaluated)",
        needs=("train/img", "train/cls", "val/img", "val/cls", "classes.csv|../classes.csv"),
        unverified="the table of classes, the terms, and which frames HPT took",
    ),
    "xview": DataCard(
        title="xView",
        domain="satellite scenes in chips of 512 px, by the objects in them",
        images={},
        classes=60,
        metric=_AUROC,
        size_px=(512, 512),
        url="http://xviewdataset.org/",
        paper="Lam et al. 2018",
        reader="xview",
        layout="train_images/5.tif and xView_train.geojson, and for names xview_class_labels.txt",
        needs=("train_images", "xView_train.geojson|train_labels/xView_train.geojson"),
        unverified="847 labelled scenes, 60 types of which HPT took 36, CC BY-NC-SA 4.0; HPT's mean and std for it are "
        "those of RESISC-45",
    ),
}
