"""Where the README's figures come from. Not part of the tests: no test asserts a time."""

import os

# What is measured keeps its bytecode, as pip's installation does: else each start would compile all of the program again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
