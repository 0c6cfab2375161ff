"""Reports from records and run files: the verdict in words, the table of arms, one offline HTML page, and figures."""

from undercoat.report.arms import NULL_ARM, Arm, arms_of
from undercoat.report.claims import JudgedClaim, judge_claims
from undercoat.report.export import export_figures, write_report
from undercoat.report.folder import Found, Stage, load
from undercoat.report.layer_tables import LayerTable, layer_tables
from undercoat.report.page import build
from undercoat.report.rich_table import SummaryTable, summary_table
from undercoat.report.study_tables import tables_latex, tables_markdown
from undercoat.report.summary_files import write_summary
from undercoat.report.table_rows import TableRow, table_rows
from undercoat.report.tables import ArmRow, ArmsTable, arms_table, to_csv, to_latex, to_markdown
from undercoat.report.verdict import caveats, findings, verdict

__all__ = [
    "NULL_ARM",
    "Arm",
    "ArmRow",
    "ArmsTable",
    "Found",
    "JudgedClaim",
    "LayerTable",
    "Stage",
    "SummaryTable",
    "TableRow",
    "arms_of",
    "arms_table",
    "build",
    "caveats",
    "export_figures",
    "findings",
    "judge_claims",
    "layer_tables",
    "load",
    "summary_table",
    "table_rows",
    "tables_latex",
    "tables_markdown",
    "to_csv",
    "to_latex",
    "to_markdown",
    "verdict",
    "write_report",
    "write_summary",
]
