#!/usr/bin/env python3
"""A ninth exam: the second half that the shared generator's author might have kept back, written without having read the detectors, their documents or results.

    ninth.py --seed 801 --out DIR [--keys 200] [--days 21] [--warmup-days 7] [--scale 1.0]

Customers, networks, pace and labels are the shared generator's (TOLLKEEPER_SHARED, or ../shared beside the repository); the families are others:
    theft.py   ten to be suspended: thieves by turns, under the owner's daily curve, in the owner's own minutes, in sips, on a telephone's line
    doubt.py   six to be flagged: the customer's will, or not, and the log can't say which
    honest.py  twelve that are benign: other hours, other addresses, other agent strings, other errors
Each family's docstring says what the log shows and thereby why its label is fair. Seeds 803 and 804 are held out: look at their totals only.
"""
import doubt
import honest
import theft
from parts import s

EPISODES = {**theft.EPISODES, **doubt.EPISODES, **honest.EPISODES}

if __name__ == "__main__":
    s.main(EPISODES)
