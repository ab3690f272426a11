"""The local index: FAISS for vectors, tantivy for words, both following the catalogue's change log."""
