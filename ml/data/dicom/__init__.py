"""Chest X-rays in DICOM files, as a viewer that follows the standard shows them first."""

import warnings

# Of what matters here this package speaks itself; the rest is no user's concern.
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")
