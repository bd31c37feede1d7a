"""Patients' keys: equal for films of one patient, and nobody finds the patient by one.

HMAC-SHA-256 (RFC 2104) of the patient's id with a secret that stays where the films are. Without
the secret, whoever knows an id cannot say which key it has; a plain hash could be found by trying
all ids. The same secret gives the same keys: one secret for a whole experiment, and a new one,
with the old one destroyed, cuts the keys off from the patients for good.
"""

import hashlib
import hmac
import os
import unicodedata
from pathlib import Path
from typing import Final, Self

from ml.contract.errors import UserError

SECRET_VARIABLE: Final = "PATIENT_KEY_SECRET"  # noqa: S105 - the variable's name
FEWEST_CHARACTERS: Final = 32
"""As many as the hash has bytes: RFC 2104, section 3."""

_PURPOSE: Final = b"patient key 1\0"
"""A secret that is used elsewhere too makes other hashes there."""

_HOW_TO_MAKE_ONE: Final = (
    "Make one, and keep it like a password: python -c 'import secrets; "
    "print(secrets.token_hex(32))' > FILE"
)


class NoSecret(UserError):
    """There is no secret to make patients' keys with, or none that is one."""


class PatientKeys:
    """Makes keys. Neither its representation nor its errors show the secret."""

    def __init__(self, secret: str, source: str = "the secret of the patients' keys") -> None:
        """Raises NoSecret, which names the source, for a secret that is too short to be one."""
        secret = secret.strip()
        if len(secret) < FEWEST_CHARACTERS:
            said = f"has {len(secret)} characters" if secret else "is empty"
            raise NoSecret(
                f"{source} {said}: a secret has {FEWEST_CHARACTERS} or more, or ids could be tried "
                f"until one fits. {_HOW_TO_MAKE_ONE}"
            )
        self._secret = secret.encode()

    @classmethod
    def found(cls, file: Path | None = None) -> Self:
        """With the secret of a file, or of the variable PATIENT_KEY_SECRET. Raises NoSecret."""
        if file is not None:
            return cls(_text(file), f"--patient-secret {file}")
        secret = os.environ.get(SECRET_VARIABLE)
        if secret is None:
            raise NoSecret(
                "a context needs a secret: the patients' keys are hashes with it. Name its file "
                f"with --patient-secret FILE, or set {SECRET_VARIABLE}. {_HOW_TO_MAKE_ONE}"
            )
        return cls(secret, SECRET_VARIABLE)

    def key(self, patient: str) -> str | None:
        """The key of a patient's id, hexadecimal; None for an id that says nothing.

        Spaces around an id mean nothing (DICOM PS3.5, 6.2, LO). Whose id it is plays no part: two
        patients of one id become one, which is safe; one patient of two issuers would not be.
        """
        patient = patient.strip(" \t\r\n\0")
        if not patient:
            return None
        message = _PURPOSE + unicodedata.normalize("NFC", patient).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise NoSecret(
            f"--patient-secret {file}: cannot be read: {error.strerror}. {_HOW_TO_MAKE_ONE}"
        ) from error
    except UnicodeDecodeError:
        raise NoSecret(
            f"--patient-secret {file}: is no text in UTF-8. {_HOW_TO_MAKE_ONE}"
        ) from None
