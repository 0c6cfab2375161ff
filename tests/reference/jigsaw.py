"""Jigsaw puzzles written as slow loops over single tiles and pixels."""

import math


def hamming(one, other):
    """In how many places two orders differ."""
    return sum(1 for a, b in zip(one, other, strict=True) if a != b)


def distances(permutations):
    """Mean and smallest distance over all pairs."""
    found = [hamming(permutations[i], permutations[j]) for i in range(len(permutations)) for j in range(i)]
    return sum(found) / len(found), min(found)


def cut(image, corners, tile_px):
    """Nine tiles of a C × S × S image as nested lists; ``corners[k]`` is the top and left of tile k."""
    tiles = []
    for top, left in corners:
        tile = []
        for channel in image:
            tile.append([[channel[top + y][left + x] for x in range(tile_px)] for y in range(tile_px)])
        tiles.append(tile)
    return tiles


def standardise(channel, least=1 / 255):
    """One channel of one tile with mean 0 and standard deviation 1."""
    numbers = [value for row in channel for value in row]
    mean = sum(numbers) / len(numbers)
    std = math.sqrt(sum((value - mean) ** 2 for value in numbers) / len(numbers))
    return [[(value - mean) / max(std, least) for value in row] for row in channel]
