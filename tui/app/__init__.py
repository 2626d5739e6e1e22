"""The application: one folder a page, and what pages share."""
