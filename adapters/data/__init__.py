"""Training data written for this project: passages with slots, questions about them, loan cases; drawn by seed."""
