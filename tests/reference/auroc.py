"""Area under the ROC curve, one pair of images at a time."""


def area_slow(scores, positive):
    """Share of pairs (image with, image without) ranked right; ties count half; None without pairs."""
    with_class = [score for score, has in zip(scores, positive, strict=True) if has]
    without = [score for score, has in zip(scores, positive, strict=True) if not has]
    if not with_class or not without:
        return None
    wins = sum((a > b) + 0.5 * (a == b) for a in with_class for b in without)
    return wins / (len(with_class) * len(without))
