"""The protocol that judges circuits, and the measures that follow from it."""
