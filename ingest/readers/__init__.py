"""Files to blocks. One module per format; what a file is, its bytes and its name must both say."""
