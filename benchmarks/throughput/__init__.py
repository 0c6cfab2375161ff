"""Parts of ``pretrain_throughput.py``: our loop, the same from lightly's parts, memory, and physical limits."""
