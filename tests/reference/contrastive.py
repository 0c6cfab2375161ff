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
