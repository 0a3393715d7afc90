"""Configuration of the documentation site: the pages of `berlin_magic/documentation`, with an API reference."""

from __future__ import annotations

import berlin_magic

project = "berlin_magic"
author = "the berlin_magic contributors"
copyright = author  # noqa: A001 - Sphinx's own name for it
version = release = berlin_magic.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_heading_anchors = 2  # every section can be linked to
default_role = "py:obj"  # what stands in single backticks is a link if it is documented here, else code

autodoc_member_order = "groupwise"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True  # a class that lists its attributes describes each once

html_theme = "alabaster"
html_theme_options = {
    "description": "Talk to a language model from a notebook cell",
    "fixed_sidebar": True,
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
    "font_size": "16px",
    "globaltoc_maxdepth": 1,
    "page_width": "1000px",
    "sidebar_width": "240px",
}
html_show_copyright = False
