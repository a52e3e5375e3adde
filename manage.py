#!/usr/bin/env python
"""Entrance to every management command."""

import argparse
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")
    if sys.argv[1:2] == ["serve"]:
        # The role decides which apps and databases the settings load, so it must be known before Django is.
        early = argparse.ArgumentParser(add_help=False)
        early.add_argument("--role")
        if role := early.parse_known_args(sys.argv[2:])[0].role:
            os.environ["FULLHOUSE_ROLE"] = role
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
