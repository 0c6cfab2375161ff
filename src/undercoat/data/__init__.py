"""Data in: readers for files, tables, arrays and samples; canvases decoded once; splits; inspection.

The loader is in ``undercoat.data.loader`` and the inspection in ``undercoat.data.inspection``; both load more
than a list of readers needs.
"""

from undercoat.data.canvases import UNLABELLED, Canvases
from undercoat.data.cards import CARDS, DataCard
from undercoat.data.listing import Listing
from undercoat.data.opening import READERS, list_data, open_data
from undercoat.data.splits import split_rows
from undercoat.samples import SAMPLES, SampleCard

__all__ = [
    "CARDS",
    "READERS",
    "SAMPLES",
    "UNLABELLED",
    "Canvases",
    "DataCard",
    "Listing",
    "SampleCard",
    "list_data",
    "open_data",
    "split_rows",
]
