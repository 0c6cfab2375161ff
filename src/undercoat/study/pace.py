"""How fast a coat goes here: a few real steps on a sample of its own data, before anything is laid."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undercoat.backbones.trainable import set_trainable
from undercoat.methods import Method, method_class
from undercoat.runtime import Runtime
from undercoat.spec import canonical
from undercoat.study.coat import Coat, Interrupted, first_weights, recipe_of
from undercoat.training.fit import fit
from undercoat.training.log import read_log
from undercoat.training.training import Budget, Training

__all__ = ["Pace", "Rehearsal"]

_STEPS = 4


@dataclass(frozen=True)
class Pace:
    """What was measured.

    Attributes:
        step: seconds of an optimiser step.
        look: seconds for each image of a look at the whole data set; 0 for a method that takes none.
    """

    step: float
    look: float = 0.0

    def __str__(self) -> str:
        looks = f", {1e3 * self.look:.2f} ms for each image of a look at all" if self.look else ""
        return f"{self.step:.3f} s a step{looks}"


class Rehearsal:
    """The first steps of a coat, with everything as it will be but the number of images.

    A method that looks at all images between passes, such as DeepCluster, looks at the sample alone here; its time
    goes with the number of images, since the sample has the method's full number of clusters.

    Args:
        coat: one that trains.
    """

    def __init__(self, coat: Coat) -> None:
        assert coat.data is not None
        self.coat, self.images = coat, len(coat.data)
        kind, stage = method_class(coat.stage.method), coat.stage
        wanted = min(self.images, (_STEPS + 1) * stage.batch)  # no second pass within the timed steps
        self.arguments, self.sample = kind.for_sample(stage.method_arguments, wanted)

    def __str__(self) -> str:
        stage = self.coat.stage
        return f"{stage.method} on {stage.backbone} at {stage.size_px} px, {stage.batch} images a step"

    @property
    def key(self) -> str:
        """The same for coats that go at the same pace."""
        stage = self.coat.stage
        arguments = {name: value for name, value in self.arguments.items() if name != "seed"}
        trained = [stage.train, *(stage.frozen or ())]
        budget = [stage.batch, stage.accumulate, stage.size_px, stage.precision]
        views = [stage.augmentation, stage.augmentation_arguments]
        network = [stage.backbone, stage.backbone_arguments]
        return canonical([network, stage.method, arguments, trained, budget, views, self.sample])

    def pace(self, *, device: str = "auto") -> Pace:
        """Take the steps, in a folder that is thrown away.

        The first step pays for warming up, so the median of the following ones is given.
        """
        stage = self.coat.stage
        method = self._method()
        runtime = Runtime.start(device=device, precision=stage.precision, backbone=method.backbone)
        with tempfile.TemporaryDirectory() as folder:
            if fit(method, self._training(runtime, Path(folder))).stopped:
                raise Interrupted("stopped while steps were timed; nothing was laid")
            lines = read_log(Path(folder))
        step = statistics.median(stage.batch / line["images_per_second"] for line in lines[1:])
        return Pace(float(step), float(lines[0].get("look_seconds", 0.0)) / self.sample)

    def seconds(self, pace: Pace, done: int = 0) -> float:
        """What is left of the coat takes this long.

        Args:
            pace: of this coat or one with the same key.
            done: steps taken already.
        """
        stage = self.coat.stage
        steps = stage.steps or 0
        looks = self._looks(done, steps) if pace.look else 0
        return (steps - done) * pace.step + looks * self.images * pace.look

    def _looks(self, done: int, steps: int) -> int:
        """How many passes begin with a look at all images."""
        method, batch = self._method(), self.coat.stage.batch
        passes = range(steps * batch // self.images + 1)
        begins = (-(-number * self.images // batch) for number in passes)  # the first step of each
        return sum(method.looks_at(number) for number, step in zip(passes, begins, strict=True) if done <= step < steps)

    def _method(self) -> Method:
        stage = self.coat.stage
        backbone = first_weights(stage.model_copy(update={"init": "random"})).backbone
        set_trainable(backbone, stage.train, frozen=stage.frozen or ())
        return method_class(stage.method)(backbone, **self.arguments)

    def _training(self, runtime: Runtime, folder: Path) -> Training:
        stage, data = self.coat.stage, self.coat.data
        assert data is not None
        spread = np.linspace(0, self.images - 1, self.sample).round().astype(np.int64)
        return Training(
            data=data if self.sample == self.images else data.take(spread),
            recipe=recipe_of(stage),
            optimiser=stage.optimiser,
            budget=Budget(
                steps=_STEPS, batch=stage.batch, accumulate=stage.accumulate, log_every=1, checkpoint_every=10**9
            ),
            part=stage.train,
            runtime=runtime,
            folder=folder,
            frozen=tuple(stage.frozen or ()),
            title="  timing",
            tensorboard=False,
        )
