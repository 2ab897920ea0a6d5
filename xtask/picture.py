"""Makes docs/demo.svg from what `fiveply demo` prints on a terminal.

    script -qec "fiveply demo --no-serve" screen.txt
    python3 xtask/picture.py < screen.txt > docs/demo.svg

Words after the script's name are those that `fiveply demo` was given.

Needs the package `rich`, which xtask/requirements.txt brings along.
"""

import io
import re
import sys

from rich.console import Console
from rich.text import Text

# The picture begins with the end screen; the lines of progress before it are left out.
FIRST_LINE = "Loaded, by stream"

screen = sys.stdin.read().replace("\r\n", "\n")
lines = [line.rsplit("\r", 1)[-1] for line in screen.split("\n")]
plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in lines]
first = next(number for number, line in enumerate(plain) if line.startswith(FIRST_LINE))
kept = [line for line in lines[first:] if not line.startswith("Script done")]
command = " ".join(["$ fiveply demo", *sys.argv[1:]])
text = Text(f"{command}\n\n", style="bold") + Text.from_ansi("\n".join(kept).rstrip())
width = max(line.cell_len for line in text.split("\n")) + 1
console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
console.print(text)
picture = console.export_svg(title="fiveply demo", unique_id="demo")
# The picture loads nothing from elsewhere: any monospaced font will do.
picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
print("\n".join(line.rstrip() for line in picture.splitlines()))
