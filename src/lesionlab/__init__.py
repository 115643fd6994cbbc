"""Lesionlab: dermoscopic lesion classification by transfer learning. A research tool, not a medical device."""

__version__ = "0.1.0"
