"""What is known of public data sets: where to get them, on what terms, and how they have to lie on disk.

Nothing is downloaded. A field that could not be made sure of is empty.
"""

from __future__ import annotations

from undercoat.data.cards.card import DataCard
from undercoat.data.cards.classics import CLASSIC_CARDS
from undercoat.data.cards.multi_label import MULTI_LABEL_CARDS
from undercoat.data.cards.scenes import SCENE_CARDS

__all__ = ["CARDS", "DataCard"]

CARDS: dict[str, DataCard] = CLASSIC_CARDS | SCENE_CARDS | MULTI_LABEL_CARDS
