"""torchvision's compiled part does not load beside a CPU-only torch; the package works with either build."""

import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_backbones_import_whatever_the_build():
    done = run("from undercoat.backbones import build_backbone; print(build_backbone('timm/resnet10t').dim)")
    assert done.stdout.strip() == "512", done.stderr


def test_torchvision_transforms_work_after_it():
    code = (
        "from undercoat._torchvision import ensure_importable; ensure_importable(); ensure_importable();"
        "import torch; from torchvision.transforms import v2;"
        "print(tuple(v2.CenterCrop(4)(torch.zeros(3, 8, 8)).shape))"
    )
    assert run(code).stdout.strip() == "(3, 4, 4)"


def test_importing_the_package_imports_neither_torch_nor_timm():
    code = "import sys, undercoat; print([m for m in ('torch', 'timm', 'torchvision', 'sklearn') if m in sys.modules])"
    assert run(code).stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert run("import undercoat; [getattr(undercoat, name) for name in undercoat.__all__]").returncode == 0
