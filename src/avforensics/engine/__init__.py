"""Where independent jobs run: worker processes of this machine, or of a Ray cluster.

`avforensics.pool` is the way in. A *crew* hires workers, gives them jobs and reports what becomes
of them (`crew`); the schedule, which is the same for every crew, decides what is tried again
(`schedule`); `local` and `cluster` are the two crews.
"""
