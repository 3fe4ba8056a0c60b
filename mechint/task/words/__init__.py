"""English words that tasks put into their templates."""
