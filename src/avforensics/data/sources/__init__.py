"""Convert data sets as they are on disk to manifests, with one function per set.

``configs/source/NAME.yaml`` names the function that reads the set NAME. Sets are listed
nowhere else.

Every function receives the folder of the set and reads the set's lists and tables; video files are
not opened. Listed files that are missing on disk stay in the manifest, where `Manifest.missing`
counts them; entries that cannot become rows are counted in a logged warning.
"""
