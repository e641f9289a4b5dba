"""The docs; a package only so that tests and `make docs` can import what generates pages of the reference."""
