"""Clustering written as slow loops over single numbers."""

import math


def normalised_mutual_information(first, second):
    """From the table of how often each pair of labels occurs: 2 I / (H + H)."""
    count = len(first)
    joint, of_first, of_second = {}, {}, {}
    for a, b in zip(first, second, strict=True):
        joint[a, b] = joint.get((a, b), 0) + 1
        of_first[a] = of_first.get(a, 0) + 1
        of_second[b] = of_second.get(b, 0) + 1
    information = sum(n / count * math.log(n * count / (of_first[a] * of_second[b])) for (a, b), n in joint.items())
    entropy = 0.0
    for sizes in (of_first, of_second):
        for n in sizes.values():
            entropy -= n / count * math.log(n / count)
    return 2 * information / entropy


def within_cluster_squares(rows, labels):
    """What k-means minimises: squared distances of rows from the mean of their cluster, summed."""
    total = 0.0
    for cluster in set(labels):
        members = [row for row, label in zip(rows, labels, strict=True) if label == cluster]
        for axis in range(len(rows[0])):
            mean = sum(member[axis] for member in members) / len(members)
            total += sum((member[axis] - mean) ** 2 for member in members)
    return total
