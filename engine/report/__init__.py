"""A run or a study as one page that stands alone: what a course report says of it, written from the store.

`content` has what a page is made of. `run_sections` and `study_sections` are the tables of sections, each a small function that
takes its figures from the store, a view or a study's results; `sources` names the papers. `page` writes HTML, `markdown`
Markdown, `printing` PDF.
"""
