"""Drawing: the record of a pass as a page to step through, as a picture, as text for Graphviz.

May import `explain`, `train` and everything below; only here is known how anything looks.
"""

from koubai.view.write import view

__all__ = ["view"]
