"""The machine learning: one command a module here, what they are made of in the rooms."""

from ml.contract.active import prepare_command

prepare_command()
