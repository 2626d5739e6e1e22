"""What asks a question over a page."""
