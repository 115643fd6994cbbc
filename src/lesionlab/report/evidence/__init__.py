"""The evidence report: everything that was found out about one model on one part of a source, as a page to review."""
