"""The configuration: the only place where a key, its type, its default and its help stand.

One module per section, named like the stage. The JSON schema in ``workflow/schemas`` and the
page ``docs/config.md`` are generated from these classes (``dnalm config schema|reference``).
"""

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.loading import load_architecture, load_config, read_config
from pipeline_lib.config.root import Config

__all__ = ["Architecture", "Config", "load_architecture", "load_config", "read_config"]
