"""Foreign checkpoints built around a backbone's tensors, by the names that each software's documents give."""

import re

import torch

HEAD = torch.zeros(2)


def behind(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def other(state):
    """Another network's tensors, which must never be taken."""
    return {name: value + 1 for name, value in state.items()}


def optimiser():
    return {"state": {0: {"momentum_buffer": torch.ones(3), "step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1}]}


def numbered(state):
    """Names of ``Sequential(*children)`` of torchvision's ResNet: ReLU is 2, max pooling 3."""
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    return {re.sub(r"^\w+", lambda word: numbers[word[0]], name): value for name, value in state.items()}


def generator(state):
    """Names of lightly's own ResNet, without ReLU and max pooling among its children, with ``shortcut``."""
    numbers = {"conv1": "0", "bn1": "1", "layer1": "2", "layer2": "3", "layer3": "4", "layer4": "5"}
    named = {re.sub(r"^\w+", lambda word: numbers[word[0]], name): value for name, value in state.items()}
    return {name.replace("downsample", "shortcut"): value for name, value in named.items()}


def detectron2(state):
    named = {}
    for name, value in state.items():
        name = re.sub(r"layer(\d)", lambda layer: f"res{int(layer[1]) + 1}", name)
        name = name if name.startswith("res") else f"stem.{name}"
        name = re.sub(r"bn(\d)", r"conv\1.norm", name)
        named[name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")] = value
    return named


def moco(s, module="module."):
    names = behind(f"{module}encoder_q.", s) | behind(f"{module}encoder_k.", other(s))
    for encoder in ("encoder_q", "encoder_k"):
        names |= behind(f"{module}{encoder}.fc.", {"0.weight": HEAD, "0.bias": HEAD, "2.weight": HEAD, "2.bias": HEAD})
    queue = {f"{module}queue": torch.zeros(4, 8), f"{module}queue_ptr": torch.zeros(1)}
    return {"epoch": 200, "arch": "resnet50", "state_dict": names | queue, "optimizer": optimiser()}


def moco_v3(s, head="fc"):
    mlp = {f"{head}.0.weight": HEAD, f"{head}.1.running_mean": HEAD, f"{head}.3.weight": HEAD}
    names = behind("module.base_encoder.", s | mlp) | behind("module.momentum_encoder.", other(s) | mlp)
    return {
        "state_dict": names | {"module.predictor.0.weight": HEAD},
        "optimizer": optimiser(),
        "scaler": {"scale": 1.0},
    }


def openselfsup(s):
    names = behind("encoder_q.0.", s) | behind("encoder_k.0.", other(s)) | behind("backbone.", s)
    for encoder in ("encoder_q", "encoder_k"):
        names |= behind(f"{encoder}.1.mlp.", {"0.weight": HEAD, "0.bias": HEAD, "2.weight": HEAD, "2.bias": HEAD})
    names |= {"queue": torch.zeros(4, 8), "queue_ptr": torch.zeros(1)}
    return {"meta": {"epoch": 1, "iter": 5000, "config": "..."}, "state_dict": names, "optimizer": optimiser()}


def byol_openselfsup(s):
    names = behind("online_net.0.", s) | behind("target_net.0.", other(s)) | behind("backbone.", s)
    names |= {"online_net.1.fc0.weight": HEAD, "target_net.1.fc0.weight": HEAD, "head.predictor.fc0.weight": HEAD}
    return {"meta": {"epoch": 1}, "state_dict": names}


def vissl(s):
    trunk = behind("_feature_blocks.", s)
    heads = {"0.clf.0.weight": HEAD, "0.clf.0.bias": HEAD}
    model = {"model": {"trunk": trunk, "heads": heads}}
    loss = {"moco_encoder.trunk._feature_blocks.conv1.weight": HEAD}
    return {"classy_state_dict": {"base_model": model, "optimizer": optimiser(), "loss": loss}, "phase_idx": 3}


def solo_learn(s, backbone="backbone", momentum="momentum_backbone"):
    names = behind(f"{backbone}.", s) | behind(f"{momentum}.", other(s))
    names |= {"projector.0.weight": HEAD, "classifier.weight": HEAD, "momentum_projector.0.weight": HEAD}
    return lightning(names)


def lightly(s, names=numbered):
    state = behind("backbone.", names(s)) | behind("backbone_momentum.", names(other(s)))
    state |= {"projection_head.layers.0.weight": HEAD, "projection_head_momentum.layers.0.weight": HEAD}
    return lightning(state)


def lightning(names):
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.0.0",
        "state_dict": names,
        "optimizer_states": [optimiser()],
        "hyper_parameters": {"lr": 0.1},
    }


def simclr(s, encoder="encoder", projector="projector"):
    return behind(f"{encoder}.", s) | {f"{encoder}.fc.weight": HEAD, f"{projector}.0.weight": HEAD}


def dino(s):
    teacher = behind("backbone.", s) | {"head.mlp.0.weight": HEAD}
    student = behind("module.backbone.", other(s)) | {"module.head.mlp.0.weight": HEAD}
    return {"student": student, "teacher": teacher, "optimizer": optimiser(), "epoch": 9}


CLASSIFIER = {"fc.weight": HEAD, "fc.bias": HEAD}

#: a name → (the layout that must be found, the checkpoint around a state)
CHECKPOINTS = {
    "moco": ("moco", moco),
    "moco without DDP": ("moco", lambda s: moco(s, module="")),
    "moco, query encoder only": ("moco", lambda s: {"state_dict": behind("module.encoder_q.", s)}),
    "moco v3": ("moco_v3", moco_v3),
    "openselfsup": ("openselfsup", openselfsup),
    "openselfsup byol": ("openselfsup", byol_openselfsup),
    "openselfsup classifier": (
        "mmselfsup",
        lambda s: {"meta": {"epoch": 1}, "state_dict": behind("backbone.", s) | {"head.fc_cls.weight": HEAD}},
    ),
    "hpt conversion": ("parallel", lambda s: {"state_dict": behind("module.", s)}),
    "hpt final_backbone": ("extracted", lambda s: {"state_dict": s, "author": "OpenSelfSup"}),
    "vissl": ("vissl", vissl),
    "vissl trunk": ("vissl", lambda s: behind("_feature_blocks.", s)),
    "vissl converted": ("plain", lambda s: dict(s)),
    "simclr spijkervet": ("simclr", simclr),
    "simclr bolts": ("simclr", lambda s: lightning(simclr(s, projector="projection.model"))),
    "simclr converted from tensorflow": ("plain", lambda s: {"state_dict": s | CLASSIFIER}),
    "simclr sthalles": (
        "backbone",
        lambda s: {"epoch": 100, "arch": "resnet18", "state_dict": behind("backbone.", s | {"fc.0.weight": HEAD})},
    ),
    "solo-learn": ("solo_learn", solo_learn),
    "solo-learn before 1.0.3": ("solo_learn", lambda s: solo_learn(s, "encoder", "momentum_encoder")),
    "lightly": ("lightly", lightly),
    "lightly, its own ResNet": ("lightly", lambda s: lightly(s, generator)),
    "lightly, backbone alone": ("lightly", lambda s: behind("backbone.", numbered(s))),
    "lightning": ("lightning", lambda s: lightning(behind("model.", s | CLASSIFIER))),
    "lightning, encoder inside": ("lightning", lambda s: lightning(behind("model.encoder.", s))),
    "dino": ("dino", dino),
    "timm": ("plain", lambda s: {"state_dict": behind("model.", s | CLASSIFIER), "optimizer": optimiser()}),
    "torchvision": ("plain", lambda s: s | CLASSIFIER),
    "detectron2": (
        "detectron2",
        lambda s: {"model": detectron2(s), "__author__": "MoCo", "matching_heuristics": True},
    ),
    "detectron2, trained": (
        "detectron2",
        lambda s: {"model": behind("backbone.bottom_up.", detectron2(s)) | {"roi_heads.box.weight": HEAD}},
    ),
}
