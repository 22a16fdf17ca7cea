"""What relaying costs: tailrace, nginx and a relay in C under the same load, side by side.

`python -m bench` from the repository's root; Linux only. `run` reads the options and `measure`
says what is measured. `load` has the clients, `stand_in` the Lambda and the functions, `relays`
the processes under test, `report` the table.
"""
