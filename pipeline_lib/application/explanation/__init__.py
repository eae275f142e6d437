"""What a model heeds: the effect of every substitution, gradients, and dependencies of bases."""
