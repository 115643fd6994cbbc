"""How good a classifier is: predictions with their truth, metrics, and intervals bootstrapped by lesion."""
