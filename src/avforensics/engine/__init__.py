"""Run independent jobs in worker processes on this machine or on a Ray cluster.

`avforensics.pool` is the entry point. A *crew* starts workers, gives them jobs and reports the
results (`crew`). The schedule, which is the same for every crew, decides which jobs are tried again
(`schedule`). `local` and `cluster` are the two crews.
"""
