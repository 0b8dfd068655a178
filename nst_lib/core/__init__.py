"""The method itself: transforms, networks and their kernels, losses, optimisation, inversion."""
