"""Where independent jobs run: worker processes of this machine, or of a Ray cluster.

`avforensics.pool` is the entry point. A *crew* hires workers, gives them jobs and reports the
results (`crew`); the schedule, which is the same for every crew, decides which jobs are tried again
(`schedule`); `local` and `cluster` are the two crews.
"""
