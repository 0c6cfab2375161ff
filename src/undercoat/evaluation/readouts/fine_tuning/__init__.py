"""How long a whole network is fine-tuned, and one such run; the readout is in ``readouts/fine_tune.py``."""

from __future__ import annotations

from undercoat.evaluation.readouts.fine_tuning.budget import Budget
from undercoat.evaluation.readouts.fine_tuning.run import Candidate, Run, Tuned

__all__ = ["Budget", "Candidate", "Run", "Tuned"]
