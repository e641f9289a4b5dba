"""The tests, as a package, so that equal nouns may name files in several of its folders."""
