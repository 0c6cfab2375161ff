"""Pure tensor functions: no state, no ranks, no input or output."""
