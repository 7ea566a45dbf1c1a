#!/usr/bin/env python3
"""Families that a detector has not seen, on the shared generator's customers. See README.md.

    sequel.py --seed 991 --out DIR [--keys 200] [--days 21] [--warmup-days 7] [--scale 1.0]

The shared generator is read from TOLLKEEPER_SHARED, or from ../shared beside the repository.
"""
import benign
import flag
import suspend
from parts import s

EPISODES = {**suspend.EPISODES, **flag.EPISODES, **benign.EPISODES}

if __name__ == "__main__":
    s.main(EPISODES)
