"""The parts of docs/make_single_image_results.py."""
