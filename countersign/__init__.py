"""Countersign: links to the layers, which lie beside this folder, so that one name alone is installed."""
