"""Parts of docs/make_method_pages.py: what the code says, what was measured, and how a page puts it."""
