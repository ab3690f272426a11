"""Files to blocks to chunks to vectors to the catalogue. The online service never imports this package."""
