"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sphinx_scrapy import INTERSPHINX_MAPPING

import scrapy_onecaptcha

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "scrapy-onecaptcha"
author = "scrapy-onecaptcha developers"
project_copyright = author
version = release = scrapy_onecaptcha.__version__

extensions = ["myst_parser", "sphinx_scrapy", "sphinx.ext.napoleon", "headings"]
html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["samples.css"]

# The address is known only to the host that serves the documentation.
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "/")

# Links into other projects' documentation need the network, so that only a host of
# documentation looks them up.
if "READTHEDOCS" not in os.environ:
    scrapy_intersphinx_disable = list(INTERSPHINX_MAPPING)

nitpicky = True
# The types of other projects are not resolved without the network.
nitpick_ignore_regex = [(r"py:.*", r"(?!scrapy_onecaptcha\b).*")]

# Links such as `settings.md#one-request` lead to headings, as they do on GitHub.
myst_heading_anchors = 4
# Links out of docs/ lead to files of the repository, which are not pages of the site.
myst_url_schemes = ["http", "https"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
