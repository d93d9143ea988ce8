"""Looking at many designs: the search for the best dataflow."""
