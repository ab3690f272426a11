"""Suites made of questions in other forms: SQuAD, BEIR, CSV. A module per form reads it, `build.py` makes the suite."""
