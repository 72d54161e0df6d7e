"""tree.py - the files of the project, for the lints: what git knows, or what lies there."""
import os
import subprocess

SKIP = {".git", "var", "build", "corpus", "__pycache__", "subprojects"}


def files(top):
    """Paths relative to top, sorted.  A build folder inside the tree is left out."""
    try:
        out = subprocess.run(
            ["git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True).stdout
        found = [p for p in out.decode().split("\0") if p]
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, folders, names in os.walk(top):
            folders[:] = [d for d in folders if d not in SKIP and
                          not os.path.exists(os.path.join(folder, d, "build.ninja"))]
            found += [os.path.relpath(os.path.join(folder, n), top) for n in names]
    return sorted(p for p in found if os.path.isfile(os.path.join(top, p)) and
                  not SKIP.intersection(p.split("/")))
