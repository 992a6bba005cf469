"""Reports: pages and files that show what the tasks have published. They read published views, and write below var."""

from reports.rendering import render
from reports.view import ExtraTable

__all__ = ["ExtraTable", "render"]
