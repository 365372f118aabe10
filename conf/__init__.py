"""The yaml files of the configuration; installed as the package `attnbench.conf`."""
