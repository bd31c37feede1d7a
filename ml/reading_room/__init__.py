"""The reading room: one page in a browser on which readers look at the films that wait for them.

A reader sees the film and nothing else until the reading is saved: no file name, no label, no
model's output. `sampler` draws what is read, `waiting` knows what is still to be read, `assignment`
says who may read it, `films` finds the pictures, `journal` keeps everything until the feedback
endpoint has it, and `room` is where they meet; `server` and `page` show it.
"""
