"""What goes into the container of the feedback model is whole."""

import ast

from ml import register_feedback


def test_whatever_a_packed_module_imports_is_packed() -> None:
    packed = {name for name in register_feedback.MODULES if name.endswith(".py")}
    missing = {
        (file, imported)
        for file in packed
        for node in ast.parse((register_feedback._ML / file).read_text()).body
        if isinstance(node, ast.ImportFrom) and (imported := node.module or "").startswith("ml.")
        if not {
            f"{imported.removeprefix('ml.').replace('.', '/')}{end}"
            for end in (".py", "/__init__.py")
        }
        & packed
    }

    assert missing == set()
