"""How versions lie in the blob store: rows, chunks, packs, manifests, and the tables that they make."""
