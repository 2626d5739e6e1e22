"""Pure drawing and words, for the application and the commands alike: no widgets, no files, no threads."""
