"""Studies: recipes, the graph of coats that they make, workers that lay them, choices, judging, and status."""
