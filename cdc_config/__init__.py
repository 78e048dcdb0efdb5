"""What an operator writes: typed models, the loader, the checks, and the shipped defaults."""
