"""The site: these pages, and the public API from its docstrings; `make docs` builds it."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

project = "Liftlock"
author = "The Liftlock developers"
html_title = "Liftlock"
html_theme = "furo"
highlight_language = "none"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_permalinks_icon = "#"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c7a", "color-brand-content": "#0b5c7a"},
    "dark_css_variables": {"color-brand-primary": "#6fc3e0", "color-brand-content": "#6fc3e0"},
}

extensions = ["myst_parser", "sphinx.ext.autodoc"]
# Links to headings work here as they do where the pages are read as they are.
myst_heading_anchors = 4
myst_links_external_new_tab = False

# The docstrings are plain text with code in single backquotes.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False

# Several classes have an attribute `bytes`; as a type it is Python's own.
suppress_warnings = ["ref.python"]


def setup(app: Sphinx) -> None:
    """Read docstrings as they are written here: in Google's form, those of attributes as text."""
    app.connect("autodoc-process-docstring", _convert)


def _convert(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    if what == "exception" and isinstance(obj, type) and "__init__" in vars(obj):
        facts = re.findall(r"self\.([a-z]\w*)(?:: [^=\n]+)? =", inspect.getsource(obj))
        lines += ["", f"Facts: {', '.join(f'`{fact}`' for fact in facts)}.", ""] if facts else []
    # An attribute's colon would be taken for the end of its type.
    if what not in {"attribute", "property", "data"}:
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, obj, options).lines()
