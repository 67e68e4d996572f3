"""Any graph and objective without a solver: constructive search, annealing, branch and bound."""
