"""What pages that arrive in parts cost: CPU time, memory, bytes, and time until they are seen.

`python -m bench.pages` from the repository's root. `content` has the page, which is the same
however it is made; `ways` make it, and `measure` takes their CPU time and memory, in one process.
`loops` has progress and events. `painted` shows the page in Chromium, sent in parts: by `served`,
and by `react.mjs`, which is React's way.
"""
