// Empty: its target holds what the tests precompile.
