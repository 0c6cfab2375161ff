"""Proof: frozen features, readouts fitted on train, measures of test, and paired differences between arms."""

from undercoat.evaluation.comparison import compare, pooled
from undercoat.evaluation.evaluate import evaluate
from undercoat.evaluation.evaluation import Evaluation
from undercoat.evaluation.features import EvaluationView, extract
from undercoat.evaluation.measures import MEASURES
from undercoat.evaluation.neighbours_sheet import SheetLayout, neighbours_sheet
from undercoat.evaluation.null import NULL_ARM, majority_class
from undercoat.evaluation.pooling import MAX_FEATURES, POOLINGS
from undercoat.evaluation.protocol import Protocol
from undercoat.evaluation.readouts import READOUTS, build_readout
from undercoat.evaluation.splitting import train_and_test

__all__ = [
    "MAX_FEATURES",
    "MEASURES",
    "NULL_ARM",
    "POOLINGS",
    "READOUTS",
    "Evaluation",
    "EvaluationView",
    "Protocol",
    "SheetLayout",
    "build_readout",
    "compare",
    "evaluate",
    "extract",
    "majority_class",
    "neighbours_sheet",
    "pooled",
    "train_and_test",
]
