"""From a verdict to other traffic: a reviewed change of the environment file, with its evidence.

Nothing here deploys. The commands read the workspace, and write files that people review.
"""
