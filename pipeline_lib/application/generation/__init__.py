"""New sequence: models of the next token write on from a prompt."""
