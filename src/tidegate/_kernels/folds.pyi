"""Records of lanes folded, and of panes added up; called by other kernels only."""
