"""Where the README's figures come from. Not part of the tests: no test asserts a time."""
