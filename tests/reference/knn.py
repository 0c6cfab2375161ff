"""k-NN voting, one query and one neighbour at a time."""

import math


def knn_vote_slow(queries, bank, labels, *, k, temperature, classes):
    votes = []
    for query in queries.tolist():
        similar = []
        for row, label in zip(bank.tolist(), labels.tolist(), strict=True):
            dot = sum(a * b for a, b in zip(query, row, strict=True))
            length = math.sqrt(sum(a * a for a in query) * sum(b * b for b in row))
            similar.append((dot / length, label))
        nearest = sorted(similar, key=lambda pair: -pair[0])[:k]
        weights = [math.exp(cosine / temperature) for cosine, _ in nearest]
        vote = [0.0] * classes
        for weight, (_, label) in zip(weights, nearest, strict=True):
            members = [float(c == label) for c in range(classes)] if isinstance(label, int) else label
            for c, member in enumerate(members):
                vote[c] += weight * member / sum(weights)
        votes.append(vote)
    return votes
