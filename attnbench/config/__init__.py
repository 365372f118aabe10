"""From conf/ and a person's words to checked specifications."""
