"""`import`: converts an authors' published checkpoint to our weights."""

from __future__ import annotations

from spaces.cli import OK
from spaces.commands import command
from spaces.files import write_text
from spaces.schema import dump, flatten

from .. import registry
from ..cli.import_weights import ImportRequest
from .checkpoint import save_weights
from .published import config_of, fitted, read_published


def adopt(request: ImportRequest) -> int:
    """Writes the weights with the config of their network, strictly: no tensor missing, none left over."""
    model = registry.get(request.model)
    published = read_published(request.weights, model)
    config, told = config_of(published, model, request.fixed, request.changes)
    tensors = fitted(published, model, config)
    save_weights(request.out, tensors, config, published.facts)
    count = sum(tensor.numel() for tensor in tensors.values())
    print(f"{request.weights} -> {request.out}: {model.name}, {count:,} numbers in {len(tensors)} tensors")
    values = flatten(config)
    # Causality, too, changes what the network computes and leaves no trace in the weights.
    shown = [name for name in values if name.startswith("network.") or name == "data.causal"]
    chosen = [name for name in shown if name not in told and (name != "data.causal" or config.data.frames > 1)]
    if told:
        print(f"told by the weights: {', '.join(f'{name} = {values[name]}' for name in told)}")
    if chosen:
        where = f"recipe {request.recipe} and --set"
        print(f"taken from {where}: {', '.join(f'{name} = {values[name]}' for name in chosen)}")
    if request.config is not None:
        write_text(request.config, dump(config))
    print(f"score them: {command('search', 'evaluate', request.config or 'CONFIG', '--weights', request.out)}")
    return OK
