"""A fictional bank, drawn by seed from committed sources: its facts, its documents as real files, questions about them."""
