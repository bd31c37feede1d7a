"""Secrets as served entities get them: by reference, from minilake's secret scopes."""

from __future__ import annotations


class SecretScopes:
    """Reads what was put through `/api/2.0/secrets/put`; no API gives a value away."""

    def secret(self, scope: str, key: str) -> str | None:
        from minilake.services import secrets

        stored = secrets.get_state()["scopes"].get(scope, {"secrets": {}})["secrets"].get(key)
        return None if stored is None else str(stored["value"])
