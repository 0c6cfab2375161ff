"""The parts of docs/make_hpt_results.py."""
