"""What relaying costs: tailrace, nginx, a relay in C and others under the same load, side by
side; and what Lambda's own streaming costs with tailrace at both ends.

`python -m bench` from the repository's root; Linux only. `run` reads the options. `measure` says
what is measured of relays: `load` has the clients, `stand_in` the Lambda and the functions,
`relays` the processes under test; `peers` starts those of others, `programs` has what they run.
`native` says what is measured of streaming: `chain` has the processes, `functions` what they run.
`report` has the tables, `versions` what they depend on.
"""
