"""Readers: one file each, from a source to a listing of images; the dict of them is in ``undercoat.data``."""
