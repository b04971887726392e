# Are the trees that Sphinx has parsed whole? Prints what they hold, and what is wrong with them.
import pathlib
import pickle
import sys

from docutils import nodes

paths = sorted(pathlib.Path(sys.argv[1]).rglob("*.doctree"))
sections = problems = empty = 0
for path in paths:
    tree = pickle.loads(path.read_bytes())
    found = len(list(tree.findall(nodes.section)))
    sections += found
    problems += len(list(tree.findall(nodes.problematic)))
    if found == 0:
        empty += 1
        print(f"{path.name} has no section", file=sys.stderr)
print(f"{len(paths)} trees, {sections} sections, {problems} pieces of markup that mean nothing")
sys.exit(0 if paths and empty == 0 else 1)
