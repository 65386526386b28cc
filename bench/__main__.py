"""``python -m bench``: every number the README prints, printed again."""

from __future__ import annotations

from bench import quality, speed

if __name__ == "__main__":
    speed.main([])
    quality.main([])
