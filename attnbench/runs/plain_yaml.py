"""Plain values as yaml and back, through libyaml where PyYAML was built with it: many times as fast."""

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def from_yaml(data: bytes) -> Any:
    """Return the values that stand in yaml; raises yaml.YAMLError."""
    return yaml.load(data, Loader=_LOADER)


def to_yaml(values: Any) -> str:
    """Return values as yaml, keys in their order."""
    text: str = yaml.dump(values, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return text
