# SPDX-License-Identifier: Apache-2.0
"""What ends the benchmark, or makes one run of it bad."""


class Trouble(Exception):
    """Something that has to work does not."""
