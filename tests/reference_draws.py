"""Calibration windows as the public reference code draws them."""

import random

import torch


def reference_draws(documents, tokenizer, windows, length, seed):
    """REFERENCE, section 4, to the letter, with Python's global generator."""
    state = random.getstate()
    random.seed(seed)
    drawn = []
    for _ in range(windows):
        while True:
            i = random.randint(0, len(documents) - 1)
            ids = tokenizer(documents[i]).input_ids
            if len(ids) > length:
                break
        start = random.randint(0, len(ids) - length - 1)
        drawn.append(ids[start : start + length])
    random.setstate(state)
    return torch.tensor(drawn)
