"""How a tone of words.py looks in every theme: styles for text, by name."""

from __future__ import annotations

# Not $text-muted: where a theme leaves it at "auto 60%", text in a Content comes out at full contrast.
STYLES = {
    "": "",
    "dim": "$foreground 60%",
    "ok": "$text-success",
    "bad": "$text-error",
    "warn": "$text-warning",
    "busy": "$text-secondary",
    "head": "$foreground 60% bold",
    "key": "$primary bold",
    "mark": "$primary bold",
    "strong": "bold",
    "cursor": "bold on $primary 22%",
    "cursor-blurred": "on $foreground 8%",
}
