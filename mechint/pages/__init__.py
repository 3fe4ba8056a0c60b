"""HTML pages that need nothing else: what they show as values, and how a template becomes one file."""
