"""Rotation written as slow loops over single pixels, and the loss of telling rotations apart."""

import math

import numpy as np

ROUND_SIGMA_PX = 0.9


def mirrored(place, size):
    """A coordinate in pixel centres, folded back at the outer edges -0.5 and size - 0.5, then kept on pixels."""
    while place < -0.5 or place > size - 0.5:
        place = -1 - place if place < -0.5 else 2 * size - 1 - place
    return min(max(place, 0.0), size - 1.0)


def source(row, column, size, degrees):
    """Where pixel (row, column) of the turned image comes from: right and down of the centre, in pixels."""
    x, y = column - (size - 1) / 2, (size - 1) / 2 - row  # y points up, as angles are counted
    angle = math.radians(degrees)
    return x * math.cos(angle) + y * math.sin(angle), -(-x * math.sin(angle) + y * math.cos(angle))


def linear(plane, degrees, fill):
    """Bilinear rotation of one square plane, counter-clockwise; ``fill`` is zero, mean or reflect."""
    size = len(plane)
    turned = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            right, down = source(row, column, size, degrees)
            beyond = abs(right) > size / 2 or abs(down) > size / 2
            if beyond and fill != "reflect":
                turned[row, column] = plane.mean() if fill == "mean" else 0.0
                continue
            x, y = mirrored(right + (size - 1) / 2, size), mirrored(down + (size - 1) / 2, size)
            left, top = min(int(x), size - 2), min(int(y), size - 2)
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                weight = (1 - abs(y - top - i)) * (1 - abs(x - left - j))
                turned[row, column] += weight * plane[top + i, left + j]
    return turned


def rounded(plane, degrees, row, column):
    """One pixel of a plane turned with the round kernel: a Gaussian over the 6 × 6 pixels about its source."""
    size = len(plane)
    right, down = source(row, column, size, degrees)
    x, y = right + (size - 1) / 2, down + (size - 1) / 2
    total = weights = 0.0
    for i in range(math.floor(y) - 2, math.floor(y) + 4):
        for j in range(math.floor(x) - 2, math.floor(x) + 4):
            weight = math.exp(-((i - y) ** 2 + (j - x) ** 2) / (2 * ROUND_SIGMA_PX**2))
            total += weight * plane[i, j]
            weights += weight
    return total / weights


def rotation_loss(logits):
    """Mean over copies r and images i of -log softmax(logits[r][i])[r]; logits is (R, B, R)."""
    total, count = 0.0, 0
    for turn, images in enumerate(logits):
        for scores in images:
            total -= math.log(math.exp(scores[turn]) / sum(math.exp(score) for score in scores))
            count += 1
    return total / count
