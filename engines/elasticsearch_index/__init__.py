"""The index in Elasticsearch: vectors and words in one index behind an alias, following the catalogue's change log."""
