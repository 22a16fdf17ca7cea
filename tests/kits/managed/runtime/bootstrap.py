"""What the managed runtime's interpreter runs, in the place of AWS's boot file.

It takes the steps of that file, as far as they can be seen: awslambdaric is imported before the
path is set, the folders are added in this order, `.pth` files are processed, and only then does a
child process have a PYTHONPATH.
"""

import os
import site
import sys

import awslambdaric.__main__ as awslambdaricmain

TASK = os.environ["LAMBDA_TASK_ROOT"]
NAME = "python{}.{}".format(*sys.version_info[:2])
LAYERS = [f"/opt/python/lib/{NAME}/site-packages", "/opt/python"]

if __name__ == "__main__":
    has_path = "PYTHONPATH" in os.environ
    if not has_path:
        sys.path[:0] = [*LAYERS, f"/var/lang/lib/{NAME}/site-packages"]
    sys.path.insert(0, TASK)
    for folder in [TASK] if has_path else [TASK, *LAYERS]:
        site.addsitedir(folder)
    if not has_path:
        os.environ["PYTHONPATH"] = os.environ["LAMBDA_RUNTIME_DIR"]
    awslambdaricmain.main([TASK, os.environ["_HANDLER"]])
