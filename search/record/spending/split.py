"""Device time of a sweep, split by what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PARTS = USEFUL, PRUNED, WASTED = "useful", "pruned", "lost"
HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Device time of a sweep in hours. `useful`: of trials that finished or may go on; `pruned`: of those that were
    ended early; `lost`: of attempts that the machine cut short, after their last epoch on record, of what was trained
    again, and of failed trials; `idle`: of places without a trial (None: not on record). `unit`: GPU, or CPU where a
    worker counts as one device; `price`: of one hour, None if it is not known."""

    useful: float
    pruned: float
    lost: float
    idle: float | None
    unit: str
    price: float | None

    @property
    def used(self) -> float:
        """Returns the device-hours of trials, without those of idle places."""
        return self.useful + self.pruned + self.lost

    def to_json(self) -> dict[str, Any]:
        """Converts the split to a JSON object, with the cost of the used and the idle hours if there is a price."""
        hours = {"used": self.used, **{name: getattr(self, name) for name in (*PARTS, "idle")}}
        found: dict[str, Any] = {"unit": f"{self.unit}-hours"}
        found |= {name: None if value is None else round(value, 6) for name, value in hours.items()}
        if self.price is not None:
            found["cost"] = round(self.used * self.price, 6)
            found["idle_cost"] = None if self.idle is None else round(self.idle * self.price, 6)
        return found

    def __str__(self) -> str:
        parts = ", ".join(f"{getattr(self, name) / self.used if self.used else 0:.0%} {name}" for name in PARTS)
        text = f"spent: {amount_text(self.used)} {self.unit}-hours ({parts})"
        text += "" if self.idle is None else f", {amount_text(self.idle)} idle"
        if self.price is not None:
            text += f"; cost at {self.price:g} an hour: {amount_text(self.used * self.price)}"
            text += "" if self.idle is None else f", idle {amount_text(self.idle * self.price)}"
        return text


def amount_text(amount: float) -> str:
    """Formats hours, or their cost, with three digits: '0.0123', '12.3', '1234'; fewer below 0.001: '0.00046'."""
    if 0 < amount < 0.001:
        return f"{amount:.5f}".rstrip("0").rstrip(".")
    return f"{amount:.3g}" if amount < 1000 else f"{amount:.0f}"
