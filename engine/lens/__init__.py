"""Trained net + images -> Sheet | Curves | Table. One file a view, in `views/`; `registry` lists them."""
