"""What early layers look like, how alike they are between networks, and what they are good for."""

from undercoat.diagnosis.filter_sheet import save_filter_sheet
from undercoat.diagnosis.filter_statistics import filter_statistics
from undercoat.diagnosis.filters import FilterSheet, compare_filters, filters
from undercoat.diagnosis.find import Found, find
from undercoat.diagnosis.findings import Finding, findings_table, write_findings
from undercoat.diagnosis.first_layer import FirstLayer, first_filters, first_layer
from undercoat.diagnosis.match_sheet import Match, matches_table
from undercoat.diagnosis.networks import Network, open_networks
from undercoat.diagnosis.similarity import Similarity, compare_layers, similarity
from undercoat.diagnosis.style import StyleSheet, style
from undercoat.diagnosis.stylise import StyleSettings, Stylised, stylise

__all__ = [
    "FilterSheet",
    "Finding",
    "FirstLayer",
    "Found",
    "Match",
    "Network",
    "Similarity",
    "StyleSettings",
    "StyleSheet",
    "Stylised",
    "compare_filters",
    "compare_layers",
    "filter_statistics",
    "filters",
    "find",
    "findings_table",
    "first_filters",
    "first_layer",
    "matches_table",
    "open_networks",
    "save_filter_sheet",
    "similarity",
    "style",
    "stylise",
    "write_findings",
]
