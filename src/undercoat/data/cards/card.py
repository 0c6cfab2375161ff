"""``DataCard``: what is known of one public data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DataCard"]


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """A public data set.

    Attributes:
        title: its name.
        domain: what the images show.
        images: of each published split, or of ``all`` where the counts of the splits are not verified. Where papers
            test on ``val``, the reader calls it ``test``.
        classes: how many.
        metric: that papers report.
        size_px: width and height; (0, 0) where they differ.
        channels: 1 or 3.
        mean: of each channel over the training images, of values in 0..1, as it is usually given; empty if unknown.
        std: standard deviation likewise.
        statistics: whose numbers ``mean`` and ``std`` are, where they are not the usual ones.
        licence: or the terms of its publisher.
        url: its official page.
        paper: author and year, to cite.
        reader: name in front of the colon of a data spec.
        layout: what the reader expects there.
        folder: name of the folder that is read, where several sets lie side by side; "" where the one given is.
        needs: paths in the folder without which ``card:`` refuses it; alternatives are parted by ``|``.
        whole: images that the reader lists when all is there; ``card:`` refuses fewer. 0 where that is not known.
        unverified: what is said elsewhere of this set and could not be made sure of.
    """

    title: str
    domain: str
    images: Mapping[str, int]
    classes: int
    metric: str
    size_px: tuple[int, int] = (0, 0)
    channels: int = 3
    mean: tuple[float, ...] = field(default=())
    std: tuple[float, ...] = field(default=())
    statistics: str = ""
    licence: str = ""
    url: str = ""
    paper: str = ""
    reader: str
    layout: str
    folder: str = ""
    needs: tuple[str, ...] = ()
    whole: int = 0
    unverified: str = ""

    def in_short(self) -> str:
        """What it is, for a list of many.

        Example:
            >>> from undercoat.data.cards import CARDS
            >>> CARDS["mnist"].in_short()
            'handwritten digits, 60,000 + 10,000, 10 classes, accuracy'
        """
        counts = " + ".join(f"{count:,}" for count in self.images.values()) or "counts not verified"
        return f"{self.domain}, {counts}, {self.classes} classes, {self.metric}"

    def line(self) -> str:
        """All that one needs to get it and to read it, in a line.

        Example:
            >>> from undercoat.data.cards import CARDS
            >>> CARDS["mnist"].line().partition(";")[0]
            'MNIST, handwritten digits: 60,000 train + 10,000 test, 28 × 28, 10 classes, accuracy'
        """
        counts = " + ".join(f"{count:,} {'images' if name == 'all' else name}" for name, count in self.images.items())
        size = f"{self.size_px[0]} × {self.size_px[1]}" if any(self.size_px) else "many sizes"
        about = f"{self.title}, {self.domain}: {counts or 'counts not verified'}"
        facts = f"{about}, {size}, {self.classes} classes, {self.metric}"
        terms = self.licence or "terms: see its page"
        doubts = f"; not verified: {self.unverified}" if self.unverified else ""
        return f"{facts}; {self.reader}:FOLDER with {self.layout}; {terms}; {self.url}{doubts}"
