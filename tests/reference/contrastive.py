"""Contrastive losses written as slow loops over single numbers."""

import math

import numpy as np


def info_nce(query, key, negatives, temperature, excluded=None):
    """Mean over queries of -log softmax of the positive among positive and allowed negatives."""
    total = 0.0
    for i in range(len(query)):
        positive = math.exp(float(np.dot(query[i], key[i])) / temperature)
        others = 0.0
        for j in range(len(negatives)):
            if excluded is None or not excluded[i][j]:
                others += math.exp(float(np.dot(query[i], negatives[j])) / temperature)
        total += -math.log(positive / (positive + others))
    return total / len(query)


def nt_xent(first, second, temperature, excluded=None):
    """Mean over all 2N views of -log of the partner's share among all other views that may count."""
    views = [*first, *second]
    images = len(first)
    total = 0.0
    for i in range(2 * images):
        partner = (i + images) % (2 * images)
        below = 0.0
        for k in range(2 * images):
            if k == i:
                continue
            same = excluded is not None and excluded[i % images][k % images] and i % images != k % images
            if not same:
                below += math.exp(float(np.dot(views[i], views[k])) / temperature)
        total += -math.log(math.exp(float(np.dot(views[i], views[partner])) / temperature) / below)
    return total / (2 * images)


def cosine_regression(prediction, target):
    """Mean over rows of the squared distance between the two rows at unit length."""
    total = 0.0
    for p, t in zip(prediction, target, strict=True):
        p_length, t_length = math.sqrt(sum(x * x for x in p)), math.sqrt(sum(x * x for x in t))
        total += sum((x / p_length - y / t_length) ** 2 for x, y in zip(p, t, strict=True))
    return total / len(prediction)
