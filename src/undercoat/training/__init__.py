"""Training: the loop, budgets and schedules, feeding, checkpoints, the log, and stopping in order."""
