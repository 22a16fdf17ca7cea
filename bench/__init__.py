"""What relaying costs: tailrace, nginx, a relay in C and others under the same load, side by
side; and what Lambda's own streaming costs with tailrace at both ends.

`python -m bench` from the repository's root; Linux only. `run` reads the options. `relays` has the
processes under test; `peers` starts those of others, `programs` has what they run. `measure` has
what is measured of them in a closed loop: `load` has the clients, `stand_in` the Lambda and the
functions. `steps` has what is measured in an open loop: `schedule` has the times of all writes,
`open_loop` the clients, `responder` the function's side, `sockets` the clock. `native` says what
is measured of streaming: `chain` has the processes, `functions` what they run. `report` has the
tables, `versions` and `interpreter` what they depend on.

`python -m bench.apps` measures web apps in a function; see there.
"""
