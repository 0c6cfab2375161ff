"""PIRL's noise-contrastive loss written as slow loops over single numbers."""

import math


def dot(one, other):
    return sum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def noise_contrastive(query, positive, negatives, temperature, excluded=None):
    """Mean over queries of -log h(positive) - sum of log(1 - h(negative))."""
    total = 0.0
    for i in range(len(query)):
        allowed = [j for j in range(len(negatives)) if excluded is None or not excluded[i][j]]
        yes = math.exp(dot(query[i], positive[i]) / temperature)
        no = [math.exp(dot(query[i], negatives[j]) / temperature) for j in allowed]
        everything = yes + sum(no)
        total -= math.log(yes / everything)
        for one in no:
            total -= math.log(1.0 - one / everything)
    return total / len(query)
