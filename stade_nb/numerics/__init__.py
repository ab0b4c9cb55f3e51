"""How one layer is pruned: statistics, scores, masks, bias correction. torch and nothing else."""
